// Packing records that are alike but for some parts into rows, and taking them out again: see lib/record-rows.ts; lib/records.ts calls it.
#pragma once

#include <napi.h>

namespace artifactstore {

// packRows(bytes, ends, rows, formOf, forms, target, rowEnds, endsInRows): writes rows of records end to end into `target`, and where each ends into `rowEnds`. Row n has the
// records before rows[n] that no row before it has. A form is [own, digits, copies, encoded]: three Uint32Arrays, as Parts in lib/record-parts.ts has them, and how
// they stand in a row. A row is packed where every record has a form and is, byte for byte, what the first of its row with the same form becomes with its
// own parts, and where that is shorter; else it has its records end to end. `endsInRows` takes for each record where it ends among those of its row, as 32 bits, little-endian.
// Throws a TypeError or RangeError for arguments that do not fit each other, before it has written a byte.
void PackRows(const Napi::CallbackInfo &info);

// unpackRow(forms, formOf, kept, target, at): writes the records of a packed row end to end into `target` from `at` on. A form is [model, own, digits, copies], as above; record n has
// forms[formOf[n]]. Throws a TypeError or RangeError for anything that does not fit, before it has written a byte.
void UnpackRow(const Napi::CallbackInfo &info);

}  // namespace artifactstore
