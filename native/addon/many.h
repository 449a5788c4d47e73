// Many small ingests as one operation: columns in, columns out, because a value for each object and field costs more between JavaScript
// and C than storing the object does.
#pragma once

#include <napi.h>

#include "commits.h"
#include "convert.h"

namespace artifactstore {

// [code, store, bytes, ends, expectations]: objects that stand one behind the other in `bytes`, object i ending at ends[i]. The columns
// are filled when the batch commits.
Napi::Value ingest_many(Napi::Env env, const Arguments &in, Commits &commits);

// [code, store, paths, most, expectations]: local files. One that is longer than `most` bytes is not committed and becomes a handle.
Napi::Value files_many(Napi::Env env, const Arguments &in, Commits &commits);

}  // namespace artifactstore
