// Writing records from columns: see records.h. Nothing here knows what the records mean.
#include "records.h"

#include <cstring>
#include <vector>

#include "convert.h"

namespace artifactstore {

namespace {

enum class Kind : uint32_t {
  kHead,     // of a CBOR unsigned integer, from a Float64Array; the form has room for just that
  kBytes,    // `size` of them
  kHex,      // the same as lower-case digits
  kBoolean,  // of CBOR, from a byte
  kUuid,     // what is random in a UUIDv7 as text, from the ten bytes of record n
  kDecimal,  // digits of an integer plus `offset`, from a Float64Array or Uint32Array, at the end of `size` bytes of which the others stay as the form has them
  kPart,     // `size` bytes from where `from` says
  kRest,     // the same, as many as the form has from there on, but for the `offset` that it ends with
  kCount
};

constexpr size_t kUuidRandom = 10, kUuidText = 36;
constexpr double kSafeMax = 9007199254740991.0;  // 2^53-1
constexpr char kDigits[] = "0123456789abcdef";

struct Field {
  Kind kind;
  const uint8_t *bytes;   // of a column of bytes
  const double *numbers;  // of one of numbers
  const uint32_t *words;  // of one of 32 bits each
  const uint32_t *from;   // for each row, where its part of the column begins
  size_t from_count;
  size_t count;           // elements of the column
  size_t stride, offset, size;
  const uint32_t *places;  // one for each form
};

template <typename T>
const T *column_of(Napi::Value value, napi_typedarray_type type, size_t *count) {
  return static_cast<const T *>(elements_of(value, type, count, "fillRecords"));
}

bool is_words(Napi::Value value) { return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint32_array; }

size_t number_of(Napi::Value value) { return value.ToNumber().Uint32Value(); }

Field field_of(Napi::Array from, size_t forms) {
  Field field{};
  size_t places = 0;
  field.kind = static_cast<Kind>(number_of(from.Get(0u)));
  Napi::Value column = from.Get(1u);
  if (field.kind == Kind::kDecimal && is_words(column)) {
    field.words = column_of<uint32_t>(column, napi_uint32_array, &field.count);
  } else if (field.kind == Kind::kHead || field.kind == Kind::kDecimal) {
    field.numbers = column_of<double>(column, napi_float64_array, &field.count);
  } else {
    field.bytes = column_of<uint8_t>(column, napi_uint8_array, &field.count);
  }
  field.stride = number_of(from.Get(2u));
  field.offset = number_of(from.Get(3u));
  field.size = number_of(from.Get(4u));
  field.places = column_of<uint32_t>(from.Get(5u), napi_uint32_array, &places);
  if (field.kind == Kind::kPart || field.kind == Kind::kRest) field.from = column_of<uint32_t>(from.Get(6u), napi_uint32_array, &field.from_count);
  if (field.kind >= Kind::kCount || places != forms) throw Napi::TypeError::New(from.Env(), "fillRecords: an impossible field");
  return field;
}

size_t head_size(double value) { return value < 24 ? 1 : value < 0x100 ? 2 : value < 0x10000 ? 3 : value < 4294967296.0 ? 5 : 9; }

void write_head(uint8_t *to, double number) {
  uint64_t value = static_cast<uint64_t>(number);
  size_t size = head_size(number);
  to[0] = static_cast<uint8_t>(size == 1 ? value : size == 2 ? 24 : size == 3 ? 25 : size == 5 ? 26 : 27);
  for (size_t i = size - 1; i > 0; i--, value >>= 8) to[i] = static_cast<uint8_t>(value);
}

// xxxxxxxx-xxxx-7rrr-vrrr-rrrrrrrrrrrr: the digits of the time and the version stay.
void write_uuid(uint8_t *to, const uint8_t *random) {
  const uint8_t variant = static_cast<uint8_t>(0x80 | (random[2] & 63));
  to[15] = static_cast<uint8_t>(kDigits[random[0] & 15]);
  write_hex(to + 16, random + 1, 1);
  write_hex(to + 19, &variant, 1);
  write_hex(to + 21, random + 3, 1);
  write_hex(to + 24, random + 4, 6);
}

uint64_t decimal_of(const Field &field, size_t row) {
  uint64_t value = field.words != nullptr ? field.words[row] : static_cast<uint64_t>(field.numbers[row]);
  return value + field.offset;
}

void write_decimal(uint8_t *to, size_t size, uint64_t value) {
  uint8_t *at = to + size;
  do {
    *--at = static_cast<uint8_t>('0' + value % 10);
    value /= 10;
  } while (value != 0);
}

// Whether the digits of a number are no more than it has room for.
bool decimal_fits(const Field &field, size_t row) {
  if (field.words == nullptr && !(field.numbers[row] >= 0 && field.numbers[row] <= kSafeMax)) return false;
  uint64_t value = decimal_of(field, row);
  size_t digits = 1;
  while (value >= 10) {
    value /= 10;
    digits++;
  }
  return digits <= field.size;
}

// Bytes that a field takes in a record, of which `room` are left where it begins.
size_t width_of(const Field &field, size_t room, size_t row) {
  switch (field.kind) {
    case Kind::kRest: return room - field.offset;
    case Kind::kHead: return head_size(field.numbers[row]);
    case Kind::kBytes:
    case Kind::kDecimal:
    case Kind::kPart: return field.size;
    case Kind::kHex: return 2 * field.size;
    case Kind::kBoolean: return 1;
    default: return kUuidText;
  }
}

// Elements that its column must have for record n, of row `row`.
uint64_t needed(const Field &field, size_t room, size_t n, size_t row) {
  switch (field.kind) {
    case Kind::kRest: return static_cast<uint64_t>(field.from[row]) + room - field.offset;
    case Kind::kHead:
    case Kind::kDecimal:
    case Kind::kBoolean: return row + 1;
    case Kind::kUuid: return kUuidRandom * (n + 1);
    case Kind::kPart: return static_cast<uint64_t>(field.from[row]) + field.size;
    default: return row * field.stride + field.offset + field.size;
  }
}

bool fits_in(const Field &field, size_t place, size_t size, size_t n, size_t row) {
  if (place > size) return false;
  size_t room = size - place;
  if (field.kind == Kind::kRest && field.offset > room) return false;
  if ((field.kind == Kind::kPart || field.kind == Kind::kRest) && row >= field.from_count) return false;
  if (needed(field, room, n, row) > field.count || width_of(field, room, row) > room) return false;
  return field.kind != Kind::kDecimal || decimal_fits(field, row);
}

void write_field(const Field &field, uint8_t *record, size_t size, size_t form, size_t n, size_t row) {
  uint8_t *to = record + field.places[form];
  const uint8_t *from = field.bytes == nullptr ? nullptr : field.bytes + row * field.stride + field.offset;
  switch (field.kind) {
    case Kind::kHead: write_head(to, field.numbers[row]); break;
    case Kind::kBytes: memcpy(to, from, field.size); break;
    case Kind::kHex: write_hex(to, from, field.size); break;
    case Kind::kDecimal: write_decimal(to, field.size, decimal_of(field, row)); break;
    case Kind::kPart: memcpy(to, field.bytes + field.from[row], field.size); break;
    case Kind::kRest: memcpy(to, field.bytes + field.from[row], size - field.places[form] - field.offset); break;
    case Kind::kBoolean: *to = field.bytes[row] == 1 ? 0xf5 : 0xf4; break;
    default: write_uuid(to, field.bytes + kUuidRandom * n);
  }
}

}  // namespace

void FillRecords(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  as_span target = bytes_of(info[0], "the target of fillRecords");
  uint64_t at = static_cast<uint64_t>(info[1].ToNumber().Int64Value());
  size_t count = 0, rows_count = 0, forms_count = 0;
  uint32_t *ends = const_cast<uint32_t *>(column_of<uint32_t>(info[2], napi_uint32_array, &count));
  const uint32_t *rows = column_of<uint32_t>(info[3], napi_uint32_array, &rows_count);
  const uint8_t *form_of = column_of<uint8_t>(info[4], napi_uint8_array, &forms_count);
  std::vector<as_span> forms;
  Napi::Array given = info[5].As<Napi::Array>();
  for (uint32_t i = 0; i < given.Length(); i++) forms.push_back(bytes_of(given.Get(i), "a form of fillRecords"));
  std::vector<Field> fields;
  Napi::Array wanted = info[6].As<Napi::Array>();
  for (uint32_t i = 0; i < wanted.Length(); i++) fields.push_back(field_of(wanted.Get(i).As<Napi::Array>(), forms.size()));

  bool fits = rows_count == count && forms_count == count && at <= target.size;
  uint64_t end = at;
  for (size_t n = 0; fits && n < count; n++) {
    fits = form_of[n] < forms.size();
    if (!fits) break;
    size_t size = forms[form_of[n]].size;
    for (const Field &field : fields) {
      fits = fits && fits_in(field, field.places[form_of[n]], size, n, rows[n]);
    }
    end += size;
    fits = fits && end <= target.size;
  }
  if (!fits) throw Napi::RangeError::New(env, "fillRecords: records, columns and target do not fit each other");

  uint8_t *to = static_cast<uint8_t *>(const_cast<void *>(target.bytes)) + at;
  for (size_t n = 0; n < count; n++) {
    const as_span &form = forms[form_of[n]];
    memcpy(to, form.bytes, form.size);
    for (const Field &field : fields) write_field(field, to, form.size, form_of[n], n, rows[n]);
    to += form.size;
    at += form.size;
    ends[n] = static_cast<uint32_t>(at);
  }
}

}  // namespace artifactstore
