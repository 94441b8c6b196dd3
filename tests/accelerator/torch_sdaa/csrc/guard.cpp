// The devices: how torch counts them, chooses one and waits for it. Streams and events do nothing.
#include "device.h"

#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <cstring>

namespace sdaa {
namespace {

std::atomic<c10::DeviceIndex> count{4};
thread_local c10::DeviceIndex current = 0;

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override {
    return kDevice;
  }
  c10::Device exchangeDevice(c10::Device device) const override {
    const auto before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override {
    return {kDevice, current};
  }
  void setDevice(c10::Device device) const override {
    if (device.has_index()) set_device(device.index());
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.has_index()) current = device.index();
  }
  c10::Stream getStream(c10::Device device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, device.has_index() ? device : getDevice());
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return getStream(device);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
    return getStream(device);
  }
  c10::Stream getNewStream(c10::Device device, int) const override {
    return getStream(device);
  }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override {
    return getStream(stream.device());
  }
  c10::DeviceIndex deviceCount() const noexcept override {
    return count;
  }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override {
    return true;
  }
  bool queryStream(const c10::Stream&) const override {
    return true;
  }
  double elapsedTime(void*, void*, const c10::DeviceIndex) const override {
    return 0.0;
  }
  void synchronizeStream(const c10::Stream& stream) const override {
    synchronize(stream.device_index());
  }
  void synchronizeEvent(void*) const override {
    synchronize(current);
  }
  void synchronizeDevice(const c10::DeviceIndex index) const override {
    synchronize(index < 0 ? current : index);
  }
};

static c10::impl::DeviceGuardImplRegistrar registrar(kDevice, new Guard());

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override {
    return true;
  }
  bool isAvailable() const override {
    return count > 0;
  }
  bool hasPrimaryContext(c10::DeviceIndex) const override {
    return count > 0;
  }
  c10::DeviceIndex deviceCount() const override {
    return count;
  }
  c10::DeviceIndex getCurrentDevice() const override {
    return current;
  }
  void setCurrentDevice(c10::DeviceIndex index) const override {
    set_device(index);
  }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex index) const override {
    const auto before = current;
    set_device(index);
    return before;
  }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex index) const override {
    return index < 0 ? current : exchangeDevice(index);
  }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex index) const override {
    return default_generator(index < 0 ? current : index);
  }
  at::Generator getNewGenerator(c10::DeviceIndex index) const override {
    return new_generator(index < 0 ? current : index);
  }
  at::Allocator* getPinnedMemoryAllocator() const override {
    return c10::GetCPUAllocator();  // a loader pins its batches
  }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
    const c10::DeviceGuard guard(storage.device());
    auto fresh = allocator()->allocate(bytes);
    if (storage.data() != nullptr) std::memcpy(fresh.get(), storage.data(), std::min(bytes, storage.nbytes()));
    storage.unsafeGetStorageImpl()->set_data_ptr_noswap(std::move(fresh));
    storage.unsafeGetStorageImpl()->set_nbytes(bytes);
  }
};

}  // namespace

c10::DeviceIndex device_count() noexcept {
  return count;
}

void set_device_count(int64_t wanted) {
  TORCH_CHECK_VALUE(
      wanted >= 0 && wanted <= kMostDevices, "SDAA: ", wanted, " devices; expected 0 to ", int(kMostDevices));
  count = static_cast<c10::DeviceIndex>(wanted);
}

c10::DeviceIndex current_device() noexcept {
  return current;
}

void set_device(int64_t index) {
  TORCH_CHECK(
      index >= 0 && index < count, "SDAA error: invalid device ordinal ", index, "; this process sees ", int(count.load()));
  current = static_cast<c10::DeviceIndex>(index);
}

void register_hooks() {
  at::RegisterPrivateUse1HooksInterface(new Hooks());  // torch keeps it until the process ends
}

}  // namespace sdaa
