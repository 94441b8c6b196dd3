// Generators of the devices. They draw by the CPU's algorithm from seeds that are altered first: with
// the same seed, a real device draws other numbers than the CPU.
#include "device.h"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GeneratorImpl.h>
#include <c10/util/Exception.h>

namespace sdaa {
namespace {

constexpr uint64_t kSalt = 0x5DAA;

class DeviceGenerator final : public c10::GeneratorImpl {
 public:
  DeviceGenerator(c10::DeviceIndex index, at::Generator on_host, uint64_t seed)
      : c10::GeneratorImpl({kDevice, index}, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)),
        on_host_(std::move(on_host)),
        seed_(seed) {}

  const at::Generator& on_host() const {
    return on_host_;
  }
  void set_current_seed(uint64_t seed) override {
    seed_ = seed;
    on_host_.set_current_seed(seed ^ kSalt);
  }
  uint64_t current_seed() const override {
    return seed_;
  }
  uint64_t seed() override {
    set_current_seed(c10::detail::getNonDeterministicRandom());
    return seed_;
  }
  void set_offset(uint64_t) override {
    TORCH_CHECK(false, "SDAA: a generator has no offset");
  }
  uint64_t get_offset() const override {
    TORCH_CHECK(false, "SDAA: a generator has no offset");
  }
  void set_state(const c10::TensorImpl& state) override {
    on_host_.unsafeGetGeneratorImpl()->set_state(state);
  }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    return on_host_.unsafeGetGeneratorImpl()->get_state();
  }

 private:
  DeviceGenerator* clone_impl() const override {
    return new DeviceGenerator(device().index(), on_host_.clone(), seed_);
  }

  at::Generator on_host_;
  uint64_t seed_;
};

}  // namespace

at::Generator new_generator(c10::DeviceIndex index) {
  const uint64_t seed = c10::default_rng_seed_val;
  return at::make_generator<DeviceGenerator>(index, at::detail::createCPUGenerator(seed ^ kSalt), seed);
}

const at::Generator& default_generator(int64_t index) {
  static const auto generators = [] {
    std::vector<at::Generator> made;
    for (c10::DeviceIndex i = 0; i < kMostDevices; ++i) made.push_back(new_generator(i));
    return made;
  }();
  return generators.at(index);
}

at::Generator host_generator(const at::Generator& generator) {
  TORCH_CHECK(
      generator.device().type() == kDevice, "SDAA: expected a generator of an sdaa device, found one of ",
      generator.device());
  return static_cast<DeviceGenerator*>(generator.unsafeGetGeneratorImpl())->on_host();
}

}  // namespace sdaa
