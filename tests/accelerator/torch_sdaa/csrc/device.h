// What the parts of the simulated accelerator share: its devices, its memory, its state.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/Allocator.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sdaa {

constexpr auto kDevice = c10::DeviceType::PrivateUse1;

// guard.cpp: the devices of this process, and the current one of this thread.
constexpr c10::DeviceIndex kMostDevices = 16;
c10::DeviceIndex device_count() noexcept;
void set_device_count(int64_t count);
c10::DeviceIndex current_device() noexcept;
void set_device(int64_t index);
void register_hooks();

// memory.cpp: bytes of each device.
struct Memory {
  size_t allocated = 0;
  size_t peak = 0;
  size_t limit = size_t{16} << 30;
};
c10::Allocator* allocator();
Memory memory_of(int64_t index);
void reset_peak(int64_t index);
void set_memory_limit(size_t bytes);

// tensors.cpp: the memory of a device tensor as a CPU tensor, and a copy of a CPU tensor on a device.
at::Tensor host(const at::Tensor& tensor);
at::Tensor on_device(const at::Tensor& tensor, c10::Device device);
// Raises unless all defined tensors are on `device`; numbers may be on the CPU.
void check_together(const std::vector<at::Tensor>& tensors, c10::Device device);

// random.cpp: the generators of the devices.
const at::Generator& default_generator(int64_t index);
at::Generator new_generator(c10::DeviceIndex index);
at::Generator host_generator(const at::Generator& generator);

// failures.cpp: what a kernel meets before it runs, and what a synchronisation reports.
// Within a kernel both do nothing: what it copies to compute on the host is no call of the program.
class Kernel {
 public:
  Kernel() noexcept;
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
};
void launch(const c10::OperatorName& name, c10::Device device);
void synchronize(c10::DeviceIndex index);
void fail(const std::string& name, int64_t nth);
void lose_after(int64_t kernels);
std::map<std::string, int64_t> calls();
void heal_failures();

// faults.cpp: results that are wrong on purpose.
void plant(const std::string& name, const std::string& kind, double by, int64_t nth, int64_t after);
void damage(const c10::OperatorName& name, const std::vector<at::Tensor>& results);
void heal_faults();

// kernels.cpp: the operators that the device has, by the CPU's kernels.
enum class Mode { warn, silent, raise };
void register_kernels();
void miss(const std::string& name, Mode mode);
std::map<std::string, int64_t> fell_back();
void heal_kernels();

// layers.cpp: kernels that the boxed ones cannot replace, by operator name.
const std::map<std::string, c10::KernelFunction>& layers();

// Whether a user's `wanted` ("aten::add" or "aten::add.Tensor") means this operator.
inline bool means(const std::string& wanted, const c10::OperatorName& name) {
  return wanted == name.name || wanted == name.name + "." + name.overload_name;
}

}  // namespace sdaa
