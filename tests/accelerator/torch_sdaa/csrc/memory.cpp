// Memory of the simulated devices: pages of the host, counted per device, refused beyond a limit.
#include "device.h"

#include <c10/util/Exception.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 10  // has torch.accelerator.memory_allocated
#define SDAA_STATISTICS
#include <c10/core/CachingDeviceAllocator.h>
#endif

namespace sdaa {
namespace {

struct Block {
  size_t bytes;
  c10::DeviceIndex device;
};

std::mutex mutex;
std::unordered_map<void*, Block> blocks;
Memory memories[kMostDevices];

double mib(size_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

void release(void* pointer) {
  if (pointer == nullptr) return;
  std::lock_guard<std::mutex> lock(mutex);
  const auto block = blocks.find(pointer);
  memories[block->second.device].allocated -= block->second.bytes;
  blocks.erase(block);
  std::free(pointer);
}

void* reserve(size_t bytes, c10::DeviceIndex device) {
  std::lock_guard<std::mutex> lock(mutex);
  auto& memory = memories[device];
  TORCH_CHECK_WITH(
      OutOfMemoryError, memory.allocated + bytes <= memory.limit, "SDAA out of memory. Tried to allocate ",
      mib(bytes), " MiB. Device ", int(device), " has a total capacity of ", mib(memory.limit), " MiB, of which ",
      mib(memory.limit - std::min(memory.limit, memory.allocated)), " MiB is free.");
  void* pointer = nullptr;
  TORCH_CHECK_WITH(
      OutOfMemoryError, posix_memalign(&pointer, 64, bytes) == 0, "SDAA out of memory. The host that simulates device ",
      int(device), " has no ", mib(bytes), " MiB.");
  blocks[pointer] = {bytes, device};
  memory.allocated += bytes;
  memory.peak = std::max(memory.peak, memory.allocated);
  return pointer;
}

#ifdef SDAA_STATISTICS
using Allocator = c10::DeviceAllocator;
#else
using Allocator = c10::Allocator;
#endif

struct DeviceMemory final : Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    const auto device = current_device();
    void* pointer = bytes == 0 ? nullptr : reserve(bytes, device);
    return {pointer, pointer, &release, c10::Device(kDevice, device)};
  }
  c10::DeleterFnPtr raw_deleter() const override {
    return &release;
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
#ifdef SDAA_STATISTICS
  bool initialized() override {
    return true;
  }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex device) override {
    reset_peak(device);
  }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override {
    const auto memory = memory_of(device);
    c10::CachingDeviceAllocator::DeviceStats statistics;
    for (auto* bytes : {&statistics.allocated_bytes, &statistics.reserved_bytes}) {
      (*bytes)[0].current = static_cast<int64_t>(memory.allocated);  // 0: of all pools together
      (*bytes)[0].peak = static_cast<int64_t>(memory.peak);
    }
    return statistics;
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex device) override {
    const auto memory = memory_of(device);
    return {memory.limit - std::min(memory.limit, memory.allocated), memory.limit};
  }
#endif
};

DeviceMemory device_memory;
REGISTER_ALLOCATOR(kDevice, &device_memory);

}  // namespace

c10::Allocator* allocator() {
  return &device_memory;
}

Memory memory_of(int64_t index) {
  std::lock_guard<std::mutex> lock(mutex);
  return memories[index];
}

void reset_peak(int64_t index) {
  std::lock_guard<std::mutex> lock(mutex);
  memories[index].peak = memories[index].allocated;
}

void set_memory_limit(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  for (auto& memory : memories) memory.limit = bytes;
}

}  // namespace sdaa
