// Packing rows: see rows.h. Nothing here knows what the records mean.
#include "rows.h"

#include <cstring>
#include <vector>

#include "convert.h"

namespace artifactstore {

namespace {

constexpr size_t kHeadSizeMax = 5;
constexpr size_t kFormsMax = 256;

struct Part {
  size_t place, size;
};

struct Copy {
  size_t place, size, from;
};

struct Form {
  std::vector<Part> own, digits;
  std::vector<Copy> copies;
  as_span encoded;   // the three lists, in CBOR
  size_t kept = 0;   // bytes that are kept of a record
  size_t reach = 0;  // bytes that a record must have
};

// A record, or a row of them.
struct Span {
  size_t start, end;
  size_t size() const { return end - start; }
};

struct Work {
  const uint8_t *bytes;
  const uint32_t *ends;
  const uint8_t *form_of;
  std::vector<Form> forms;

  Span records(size_t from, size_t to) const { return {from == 0 ? 0 : ends[from - 1], ends[to - 1]}; }
  Span record(size_t n) const { return records(n, n + 1); }
};

// ---- arguments ----

template <typename T>
T *elements(Napi::Value value, napi_typedarray_type type, size_t *count) {
  return static_cast<T *>(elements_of(value, type, count, "rows"));
}

std::vector<uint32_t> numbers_of(Napi::Value value, size_t unit) {
  size_t count = 0;
  const uint32_t *numbers = elements<uint32_t>(value, napi_uint32_array, &count);
  if (count % unit != 0) throw Napi::RangeError::New(value.Env(), "rows: an impossible form");
  return std::vector<uint32_t>(numbers, numbers + count);
}

void reach(Form *form, size_t place, size_t size) {
  if (place + size > form->reach) form->reach = place + size;
}

// A form whose lists begin at element `first`.
Form form_of(Napi::Array given, uint32_t first) {
  Form form;
  std::vector<uint32_t> own = numbers_of(given.Get(first), 2), digits = numbers_of(given.Get(first + 1), 2), copies = numbers_of(given.Get(first + 2), 3);
  for (size_t i = 0; i < own.size(); i += 2) {
    form.own.push_back({own[i], own[i + 1]});
    form.kept += own[i + 1];
    reach(&form, own[i], own[i + 1]);
  }
  for (size_t i = 0; i < digits.size(); i += 2) {
    form.digits.push_back({digits[i], digits[i + 1]});
    form.kept += digits[i + 1];
    reach(&form, digits[i], 2 * static_cast<size_t>(digits[i + 1]));
  }
  for (size_t i = 0; i < copies.size(); i += 3) {
    form.copies.push_back({copies[i], copies[i + 1], copies[i + 2]});
    reach(&form, copies[i], 2 * static_cast<size_t>(copies[i + 1]));
    reach(&form, copies[i + 2], copies[i + 1]);
  }
  return form;
}

bool ascend(const uint32_t *ends, size_t count, size_t from, size_t limit) {
  for (size_t n = 0; n < count; n++) {
    if (ends[n] < from || ends[n] > limit) return false;
    from = ends[n];
  }
  return true;
}

// ---- one record ----

// Of what is no digit any value: it comes back as another byte, which is noticed.
uint8_t nibble(uint8_t code) { return static_cast<uint8_t>((code < 0x40 ? code - 0x30 : code - 0x57) & 15); }

void read_parts(const Form &form, const uint8_t *record, uint8_t *kept) {
  for (const Part &part : form.own) {
    memcpy(kept, record + part.place, part.size);
    kept += part.size;
  }
  for (const Part &part : form.digits) {
    for (size_t i = 0; i < part.size; i++) kept[i] = static_cast<uint8_t>(nibble(record[part.place + 2 * i]) << 4 | nibble(record[part.place + 2 * i + 1]));
    kept += part.size;
  }
}

void fill_parts(const Form &form, const uint8_t *kept, uint8_t *record) {
  for (const Part &part : form.own) {
    memcpy(record + part.place, kept, part.size);
    kept += part.size;
  }
  for (const Part &part : form.digits) {
    write_hex(record + part.place, kept, part.size);
    kept += part.size;
  }
  for (const Copy &copy : form.copies) write_hex(record + copy.place, record + copy.from, copy.size);
}

// ---- one row ----

// Appends CBOR.
class Writer {
 public:
  explicit Writer(uint8_t *to) : at_(to) {}

  void head(uint8_t major, size_t value) {
    uint8_t type = static_cast<uint8_t>(major << 5);
    size_t size = value < 24 ? 0 : value < 0x100 ? 1 : value < 0x10000 ? 2 : 4;
    *at_++ = static_cast<uint8_t>(type | (size == 0 ? value : size == 1 ? 24 : size == 2 ? 25 : 26));
    for (size_t i = size; i > 0; i--) *at_++ = static_cast<uint8_t>(value >> 8 * (i - 1));
  }
  void list(size_t count) { head(4, count); }
  void string(const void *bytes, size_t size) {
    head(2, size);
    raw(bytes, size);
  }
  void raw(const void *bytes, size_t size) {
    if (size > 0) memcpy(at_, bytes, size);
    at_ += size;
  }
  uint8_t *at() const { return at_; }

 private:
  uint8_t *at_;
};

// A row being packed.
class Row {
 public:
  Row(const Work &work, size_t from, size_t to) : work_(work), from_(from), to_(to) { memset(place_of_, -1, sizeof place_of_); }

  // Takes up every record. False: one has no form, or is not its model with other parts.
  bool gather() {
    for (size_t n = from_; n < to_; n++) {
      if (!add(n)) return false;
    }
    return true;
  }

  // Bytes of the row at most.
  size_t size_max() const {
    size_t size = 4 * kHeadSizeMax + places_.size() + kept_.size();
    for (size_t model : models_) size += 2 * kHeadSizeMax + work_.record(model).size() + form(model).encoded.size;
    return size;
  }

  size_t write(uint8_t *to) const {
    Writer writer(to);
    writer.list(3);
    writer.list(models_.size());
    for (size_t model : models_) {
      Span span = work_.record(model);
      writer.list(4);
      writer.string(work_.bytes + span.start, span.size());
      writer.raw(form(model).encoded.bytes, form(model).encoded.size);
    }
    writer.string(places_.data(), models_.size() == 1 ? 0 : places_.size());
    writer.string(kept_.data(), kept_.size());
    return static_cast<size_t>(writer.at() - to);
  }

 private:
  const Form &form(size_t n) const { return work_.forms[work_.form_of[n] - 1]; }

  bool add(size_t n) {
    size_t which = work_.form_of[n];
    Span span = work_.record(n);
    if (which == 0 || which > work_.forms.size() || form(n).reach > span.size()) return false;
    if (place_of_[which] < 0) {
      place_of_[which] = static_cast<int>(models_.size());
      models_.push_back(n);
    }
    places_.push_back(static_cast<uint8_t>(place_of_[which]));
    Span model = work_.record(models_[static_cast<size_t>(place_of_[which])]);
    if (model.size() != span.size()) return false;
    const uint8_t *record = work_.bytes + span.start;
    size_t at = kept_.size();
    kept_.resize(at + form(n).kept);
    read_parts(form(n), record, kept_.data() + at);
    again_.assign(work_.bytes + model.start, work_.bytes + model.end);
    fill_parts(form(n), kept_.data() + at, again_.data());
    return memcmp(again_.data(), record, span.size()) == 0;
  }

  const Work &work_;
  const size_t from_, to_;
  int place_of_[kFormsMax];      // of each form its place in the row; -1: none
  std::vector<size_t> models_;   // for each form of the row its first record
  std::vector<uint8_t> places_;  // for each record its form's place
  std::vector<uint8_t> kept_, again_;
};

// Writes a row, packed where that is shorter; gives its size, at most that of its records.
size_t write_row(const Work &work, size_t from, size_t to, uint8_t *target) {
  Span whole = work.records(from, to);
  Row row(work, from, to);
  if (work.form_of[from] != 0 && row.gather() && row.size_max() <= whole.size()) return row.write(target);
  memcpy(target, work.bytes + whole.start, whole.size());
  return whole.size();
}

void write_little(uint8_t *to, uint32_t value) {
  for (size_t i = 0; i < 4; i++) to[i] = static_cast<uint8_t>(value >> 8 * i);
}

}  // namespace

void PackRows(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  as_span given = bytes_of(info[0], "the records of packRows");
  size_t count = 0, rows_count = 0, forms_count = 0, row_ends_count = 0, ends_size = 0;
  Work work;
  work.bytes = static_cast<const uint8_t *>(given.bytes);
  work.ends = elements<uint32_t>(info[1], napi_uint32_array, &count);
  const uint32_t *rows = elements<uint32_t>(info[2], napi_uint32_array, &rows_count);
  work.form_of = elements<uint8_t>(info[3], napi_uint8_array, &forms_count);
  Napi::Array forms = info[4].As<Napi::Array>();
  for (uint32_t i = 0; i < forms.Length(); i++) {
    Napi::Array form = forms.Get(i).As<Napi::Array>();
    work.forms.push_back(form_of(form, 0));
    work.forms.back().encoded = bytes_of(form.Get(3u), "a form of packRows");
  }
  as_span target = bytes_of(info[5], "the target of packRows");
  uint32_t *row_ends = elements<uint32_t>(info[6], napi_uint32_array, &row_ends_count);
  uint8_t *ends_in_rows = elements<uint8_t>(info[7], napi_uint8_array, &ends_size);

  bool fits = forms_count == count && row_ends_count == rows_count && ends_size == 4 * count && work.forms.size() < kFormsMax;
  fits = fits && ascend(work.ends, count, 0, given.size) && ascend(rows, rows_count, 1, count);
  for (size_t i = 1; fits && i < rows_count; i++) fits = rows[i] > rows[i - 1];
  fits = fits && target.size >= given.size && (rows_count == 0 ? count == 0 : rows[rows_count - 1] == count);
  if (!fits) throw Napi::RangeError::New(env, "packRows: records, rows, forms and target do not fit each other");

  uint8_t *to = static_cast<uint8_t *>(const_cast<void *>(target.bytes));
  size_t at = 0, from = 0;
  for (size_t row = 0; row < rows_count; row++) {
    Span whole = work.records(from, rows[row]);
    for (size_t n = from; n < rows[row]; n++) write_little(ends_in_rows + 4 * n, work.ends[n] - static_cast<uint32_t>(whole.start));
    at += write_row(work, from, rows[row], to + at);
    row_ends[row] = static_cast<uint32_t>(at);
    from = rows[row];
  }
}

void UnpackRow(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::vector<Form> forms;
  std::vector<as_span> models;
  Napi::Array given = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < given.Length(); i++) {
    Napi::Array form = given.Get(i).As<Napi::Array>();
    models.push_back(bytes_of(form.Get(0u), "a model of unpackRow"));
    forms.push_back(form_of(form, 1));
  }
  size_t count = 0;
  const uint8_t *form_of_record = elements<uint8_t>(info[1], napi_uint8_array, &count);
  as_span kept = bytes_of(info[2], "what is kept of a row"), target = bytes_of(info[3], "the target of unpackRow");
  uint64_t at = static_cast<uint64_t>(info[4].ToNumber().Int64Value()), end = at, taken = 0;

  bool fits = at <= target.size;
  for (size_t n = 0; fits && n < count; n++) {
    size_t which = form_of_record[n];
    fits = which < forms.size() && forms[which].reach <= models[which].size;
    if (!fits) break;
    end += models[which].size;
    taken += forms[which].kept;
    fits = end <= target.size && taken <= kept.size;
  }
  if (!fits) throw Napi::RangeError::New(env, "unpackRow: records, forms and target do not fit each other");

  uint8_t *to = static_cast<uint8_t *>(const_cast<void *>(target.bytes)) + at;
  const uint8_t *from = static_cast<const uint8_t *>(kept.bytes);
  for (size_t n = 0; n < count; n++) {
    const Form &form = forms[form_of_record[n]];
    const as_span &model = models[form_of_record[n]];
    if (model.size > 0) memcpy(to, model.bytes, model.size);
    fill_parts(form, from, to);
    from += form.kept;
    to += model.size;
  }
}

}  // namespace artifactstore
