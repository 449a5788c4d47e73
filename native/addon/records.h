// Records of few forms, written many at a time from columns: see lib/records.ts, which calls it.
#pragma once

#include <napi.h>

namespace artifactstore {

// fillRecords(target, at, ends, rows, formOf, forms, fields): writes ends.length records end to end into `target` from `at` on, and where each ends.
// Record n is forms[formOf[n]] with the fields of row rows[n] written over it. A field is [kind, column, stride, offset, size, places]: what kind of
// value it is (Field in records.cc), where the value of a row begins in its column, how many bytes of it there are, and where in each form it goes; a part has
// behind that a Uint32Array of where each row's begins. Throws a TypeError or RangeError for anything that would not fit,
// before it has written a byte.
void FillRecords(const Napi::CallbackInfo &info);

}  // namespace artifactstore
