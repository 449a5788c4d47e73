/** The conformance kit on the S3 backend, against OpenStack Swift. */

import t from 'tap';
import { conformance } from './conformance.js';
import { openSubject, withSwift } from './s3-support.js';

await withSwift((swift) => conformance(t, { name: 's3 on Swift', many: 60, open: () => openSubject(swift) }));
