/** The public API; re-exports only. */

export type { Scope } from './access/scopes.js';
export type { Story, StoryLine } from './audit/explain.js';
export { type CborValue, type JsonValue, toJson } from './cbor/index.js';
export { type Chunker, type ChunkOptions, chunk, chunkKernels, createChunker, selectChunkKernel } from './chunk.js';
export type {
  BackendStatus,
  ByteRange,
  ByteSource,
  ContentAddress,
  Digest,
  Durability,
  Receipt,
  Sha256Digest,
  Tier,
} from './dataplane/spi.js';
export {
  createDigester,
  type Digester,
  type Digests,
  type DigestTable,
  digest,
  digestMany,
  digestParts,
  digestTable,
} from './digest.js';
export { formatBlake3, formatSha256, fromHex, isDigest, parseDigest, toHex } from './digest-name.js';
export { ArtifactStoreError, ERROR_CODES, type ErrorCode, type ErrorDetails, isStoreError } from './errors.js';
export type { EventFilters, ReadQuery, RebuildProgress, StoredEvent } from './events/log.js';
export { type Moment, readAll } from './events/read-all.js';
export type { Delivery } from './events/subscribe.js';
export { describeNative, type NativeDescription, selectKernel } from './kernels.js';
export type { Difference } from './packages/diff.js';
export {
  type DirectoryEntry,
  decodeManifest,
  encodeManifest,
  type FileEntry,
  type Manifest,
  type ManifestEntry,
  type SymlinkEntry,
} from './packages/manifest.js';
export type { PackagePath } from './packages/path.js';
export type {
  NamespaceUsage,
  PackagePage,
  PackageQuery,
  PackageRecord,
  RefPage,
  RefRecord,
  WithdrawnRecord,
} from './registry/packages.js';
export type { PastRegistry } from './registry/past-registry.js';
export type { NamespaceTake, QuotaRecord } from './registry/quotas.js';
export type { ListQuery, ObjectPage, ObjectRecord, ObjectState, Tombstone, Usage } from './registry/registry.js';
export type { TokenPage, TokenQuery, TokenRecord } from './registry/tokens.js';
export { EVERYWHERE, KNOWN_CLASSES, type Policy, parsePolicy } from './retention/policy.js';
export type { Protection, Protector } from './retention/protection.js';
export type { Why } from './retention/why.js';
export { SPANS, type Span } from './spans.js';
export type { CopyEntry, FileSourceEntry, PackageSource } from './store/entry-intake.js';
export type { ExplainOptions, FollowOptions, PastOptions, SubscriptionOptions } from './store/history.js';
export type { NamespaceQuotas, QuotaOptions } from './store/namespace-quotas.js';
export type {
  OpenedPackage,
  Packages,
  PullOptions,
  PushOptions,
  PushResult,
} from './store/packages.js';
export type { RefOptions, Restored, Withdrawn, WithdrawOptions } from './store/publish.js';
export type { PushProgress } from './store/push.js';
export type { QuotaStatus } from './store/quota-reader.js';
export { openRegistry, type RegistryReader } from './store/registry-reader.js';
export type { DecisionOptions, LockOptions, PlaceOptions, Retention } from './store/retention.js';
export type { ApplyOptions, ApplyReport, OpenedPlan, PlanLine, PlanRun, PlanSummary } from './store/retention-plans.js';
export type { RetentionStatus } from './store/retention-reader.js';
export type { PutSource } from './store/source.js';
export type { StoredObject } from './store/stored-object.js';
export type { ColdReads, Moved, MoveReport, StoreTier } from './store/tiers.js';
export type { NewToken, TokenGrant, Tokens } from './store/tokens.js';
export type { AppendOptions, OpenUploadOptions, Upload, UploadInfo, Uploads } from './store/uploads.js';
export {
  type ChangeReport,
  type Collectable,
  type CompactionReport,
  type CompactionWatch,
  type DeferredPutOptions,
  type DeferredPutResult,
  type DeleteOptions,
  type DeleteReport,
  type ErasureDemand,
  type ErasureReport,
  type GetOptions,
  type Kept,
  type KeptBecause,
  openStore,
  type PutManyOptions,
  type PutOptions,
  type PutResult,
  type PutResults,
  type ReconcileOptions,
  type ReconcileReport,
  type RetireOptions,
  type Store,
  type StoreOptions,
  type SweepOptions,
  type SweepReport,
  type VerifyReport,
} from './store.js';
