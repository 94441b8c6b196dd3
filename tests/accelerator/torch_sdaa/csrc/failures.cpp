// Failures of a device: kernels that fail unnoticed until the next synchronisation, and its loss.
#include "device.h"

#include <c10/util/Exception.h>

#include <mutex>

namespace sdaa {
namespace {

struct Failure {
  std::string name;
  int64_t nth;
  int64_t calls = 0;
};

std::mutex mutex;
std::map<std::string, int64_t> counted;
std::vector<Failure> failures;
std::string pending[kMostDevices];
thread_local bool in_kernel = false;
int64_t kernels_left = -1;  // below 0: the device is never lost

void check_present(c10::DeviceIndex index) {
  TORCH_CHECK(kernels_left != 0, "SDAA error: device ", int(index), " is lost; it answers no more calls");
}

}  // namespace

Kernel::Kernel() noexcept {
  in_kernel = true;
}

Kernel::~Kernel() {
  in_kernel = false;
}

void launch(const c10::OperatorName& name, c10::Device device) {
  if (in_kernel) return;
  const auto index = device.has_index() ? device.index() : current_device();
  std::lock_guard<std::mutex> lock(mutex);
  check_present(index);
  if (kernels_left > 0) --kernels_left;
  ++counted[name.name];
  for (auto& failure : failures)
    if (means(failure.name, name) && ++failure.calls == failure.nth) pending[index] = name.name;
}

// The error remains, as that of a real device does: every later synchronisation reports it again.
void synchronize(c10::DeviceIndex index) {
  if (in_kernel) return;
  std::lock_guard<std::mutex> lock(mutex);
  check_present(index);
  TORCH_CHECK(
      pending[index].empty(), "SDAA error: an illegal memory access was encountered on device ", int(index),
      ". Kernels run asynchronously: the call that reports the error may not be the one that caused it.");
}

void fail(const std::string& name, int64_t nth) {
  std::lock_guard<std::mutex> lock(mutex);
  failures.push_back({name, nth});
}

void lose_after(int64_t kernels) {
  std::lock_guard<std::mutex> lock(mutex);
  kernels_left = kernels;
}

std::map<std::string, int64_t> calls() {
  std::lock_guard<std::mutex> lock(mutex);
  return counted;
}

void heal_failures() {
  std::lock_guard<std::mutex> lock(mutex);
  counted.clear();
  failures.clear();
  for (auto& name : pending) name.clear();
  kernels_left = -1;
}

}  // namespace sdaa
