/*
 * The step from JavaScript values to C++ ones and back: numbers, typed arrays, handles, errors. The exports: exports.h.
 *
 * A wrong value is told by false or null, never by reading outside; the caller throws. System errors become an Error with
 * `syscall`, `errno` and `code`.
 *
 * Rule: main thread only. A handle is used only while it is among the known ones of its kind.
 */
#ifndef FIREHOOK_NATIVE_NAPI_VALUES_H_
#define FIREHOOK_NATIVE_NAPI_VALUES_H_

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>
#include <node_api.h>
#include <uv.h>

#include "system-error.h"

namespace firehook {

inline napi_value ThrowType(napi_env env, const char* what) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", what);
  return nullptr;
}

/** The Error that a system error becomes, to be thrown or rejected with. */
inline napi_value MakeSystemError(napi_env env, const SystemError& error) {
  napi_value message;
  napi_value code;
  napi_value value;
  napi_value result;
  const std::string text = std::string(error.call) + ": " + strerror(error.number);
  napi_create_string_utf8(env, text.c_str(), text.size(), &message);
  napi_create_string_utf8(env, uv_err_name(-error.number), NAPI_AUTO_LENGTH, &code);
  napi_create_error(env, code, message, &result);
  napi_create_string_utf8(env, error.call, NAPI_AUTO_LENGTH, &value);
  napi_set_named_property(env, result, "syscall", value);
  napi_create_int32(env, error.number, &value);
  napi_set_named_property(env, result, "errno", value);
  return result;
}

inline napi_value ThrowSystem(napi_env env, const SystemError& error) {
  napi_throw(env, MakeSystemError(env, error));
  return nullptr;
}

template <size_t N>
bool Arguments(napi_env env, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  return napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok && count == N;
}

inline bool ToUint(napi_env env, napi_value value, uint32_t* out) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return false;
  if (!(number >= 0 && number <= 4294967295.0) || number != static_cast<double>(static_cast<uint32_t>(number))) return false;
  *out = static_cast<uint32_t>(number);
  return true;
}

/** A descriptor. Whether it is open only the kernel knows. */
inline bool ToDescriptor(napi_env env, napi_value value, int* out) {
  uint32_t number;
  if (!ToUint(env, value, &number) || number > 0x7fffffff) return false;
  *out = static_cast<int>(number);
  return true;
}

/** The numbers of a plain array of at most `most`. */
inline bool ToUints(napi_env env, napi_value value, size_t most, std::vector<uint32_t>* out) {
  bool is = false;
  uint32_t length;
  if (napi_is_array(env, value, &is) != napi_ok || !is || napi_get_array_length(env, value, &length) != napi_ok || length > most) {
    return false;
  }
  out->clear();
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    uint32_t number;
    if (napi_get_element(env, value, i, &element) != napi_ok || !ToUint(env, element, &number)) return false;
    out->push_back(number);
  }
  return true;
}

/** A string without a zero octet, of 1 to `most` octets in UTF-8. */
inline bool ToText(napi_env env, napi_value value, size_t most, std::string* out) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok || length == 0 || length > most) return false;
  out->assign(length + 1, '\0');
  if (napi_get_value_string_utf8(env, value, out->data(), length + 1, &length) != napi_ok) return false;
  out->resize(length);
  return out->find('\0') == std::string::npos;
}

inline bool IsFunction(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_function;
}

/** The elements of a typed array of the given type. */
template <typename T>
bool ToArray(napi_env env, napi_value value, napi_typedarray_type wanted, T** data, size_t* length) {
  bool is = false;
  if (napi_is_typedarray(env, value, &is) != napi_ok || !is) return false;
  napi_typedarray_type type;
  void* memory = nullptr;
  if (napi_get_typedarray_info(env, value, &type, length, &memory, nullptr, nullptr) != napi_ok) return false;
  *data = static_cast<T*>(memory);
  return type == wanted;
}

/** Handles of a kind that JavaScript has not let go of: a pointer is used only if it is among them. */
template <typename Handle>
std::vector<Handle*>& Known() {
  thread_local std::vector<Handle*> known;
  return known;
}

/** What an object wraps; null for an object of another kind. Type tags would say the same, at 100 ns a call. */
template <typename Handle>
Handle* ToHandle(napi_env env, napi_value value) {
  napi_valuetype type;
  void* data = nullptr;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_object) return nullptr;
  if (napi_unwrap(env, value, &data) != napi_ok) return nullptr;
  for (Handle* handle : Known<Handle>()) {
    if (handle == data) return handle;
  }
  return nullptr;
}

/** An export that takes a handle and closes it. */
template <typename Handle>
napi_value CloseExport(napi_env env, napi_callback_info info, const char* usage, void (*close)(napi_env, Handle*)) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, usage);
  auto* handle = ToHandle<Handle>(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, usage);
  close(env, handle);
  return nullptr;
}

/** Calls into JavaScript from the event loop; what is thrown there is an uncaught exception. */
inline void CallBack(napi_env env, napi_ref reference, size_t count, const napi_value* arguments) {
  napi_value function;
  napi_value global;
  napi_get_reference_value(env, reference, &function);
  napi_get_global(env, &global);
  if (napi_make_callback(env, nullptr, global, function, count, arguments, nullptr) != napi_pending_exception) return;
  napi_value error;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

template <typename Handle>
void Forget(Handle* handle) {
  std::vector<Handle*>& known = Known<Handle>();
  known.erase(std::remove(known.begin(), known.end(), handle), known.end());
  delete handle;
}

template <typename Handle>
napi_value Wrap(napi_env env, Handle* data, napi_finalize finalize) {
  Known<Handle>().push_back(data);
  napi_value object;
  napi_create_object(env, &object);
  napi_wrap(env, object, data, finalize, nullptr, nullptr);
  return object;
}

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_NAPI_VALUES_H_
