// nvmlDeviceGetFieldValues: every field is a question of its own, all of them fetched together.
#include "calls/rows.h"
#include "interposer/nvml/answers.h"
#include "interposer/nvml/library.h"
#include "interposer/nvml/question.h"

namespace {

using namespace bitfusion;
using namespace bitfusion::interposer::nvml;

Question question_of(nvmlDevice_t device, const nvmlFieldValue_t& field) {
  Question question(knvmlDeviceGetFieldValues, Life::kLive, device);
  question.value(field.fieldId);
  question.value(field.scopeId);
  return question;
}

}  // namespace

extern "C" nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t* fields) {
  unsigned ordinal = 0;
  if (nvmlReturn_t error = ordinal_of(device, &ordinal)) return error;
  if (count < 0 || fields == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  for (int i = 0; i < count; i++) answers().expect(question_of(device, fields[i]));
  for (int i = 0; i < count; i++) {
    if (nvmlReturn_t error = question_of(device, fields[i]).ask(Out{&fields[i]})) return error;
  }
  return NVML_SUCCESS;
}
