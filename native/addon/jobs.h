// What the crew can do: open and close a store, take in many objects or files at once, open files of others, walk a directory tree, fill files with bytes that are proven, receive streams, and remove many objects and compact. Columns in, columns out, because a value for each
// object and field costs more between JavaScript and C than storing the object does.
#pragma once

#include <napi.h>

#include <memory>

#include "convert.h"
#include "crew.h"

namespace artifactstore {

// The job of an operation, or a TypeError; the codes are those of codes.h.
//   [open, path, flags]; [close, store]
//   [ingestMany, store, bytes, ends, expectations, deferred]: objects that stand one behind the other in `bytes`, object i ending at ends[i]
//   [filesMany, store, paths, most, expectations, deferred, ends]: local files, path i ending in the bytes of `paths` at ends[i]. One that is longer
//   than `most` bytes becomes a handle
//   [openBeneath, folder, paths, ends]: descriptors of regular files beneath a folder, path i ending in the bytes of `paths` at ends[i]; -errno for others
//   [walkBegin, root, avoid, most], [walkNext, walk, most]: the first, or next, things that are in a directory tree; [walkEnd, walk]
//   [provenFileBegin, path, first group, size]: a handle; [provenFileReceive, file, socket, values, wait], [provenFileAppend, file, bytes, values],
//   [provenFileEnd | provenFileAbort, file]: where the file stands, also beside a failure
//   [removeMany, store, addresses, erase]: deletes objects; [compact, store, from, percent]: one bounded step
//   [piecesReceive, pieces, bytes, wait]: bytes that came, and what ended the stream, or -1. `bytes` is memory that nobody takes away meanwhile
std::shared_ptr<Job> make_job(Napi::Env env, Napi::Array operation);

// Those about many objects, in many.cc, about trees, in walk.cc, about files of others, in beneath.cc, about files that take proven bytes, in proven_file.cc, about what goes, in removal.cc, and
// about streams in pieces, in pieces.cc.
std::shared_ptr<Job> ingest_many(const Arguments &in);
std::shared_ptr<Job> files_many(const Arguments &in);
std::shared_ptr<Job> open_beneath(const Arguments &in);
std::shared_ptr<Job> walk_begin(const Arguments &in);
std::shared_ptr<Job> walk_next(const Arguments &in);
std::shared_ptr<Job> walk_end(const Arguments &in);
std::shared_ptr<Job> proven_file(uint32_t code, const Arguments &in);
std::shared_ptr<Job> remove_many(const Arguments &in);
std::shared_ptr<Job> compact(const Arguments &in);
std::shared_ptr<Job> pieces_receive(const Arguments &in);

}  // namespace artifactstore
