// What Python sees of the simulated accelerator: the module `torch_sdaa._sdaa`.
#include "collectives.h"
#include "device.h"

#include <pybind11/stl.h>
#include <torch/csrc/utils/pybind.h>

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("register", [] {
    sdaa::register_hooks();
    sdaa::register_kernels();
  });

  m.def("device_count", [] { return int(sdaa::device_count()); });
  m.def("set_device_count", &sdaa::set_device_count);
  m.def("current_device", [] { return int(sdaa::current_device()); });
  m.def("set_device", &sdaa::set_device);
  m.def("synchronize", [](int index) { sdaa::synchronize(static_cast<c10::DeviceIndex>(index)); });
  m.def("default_generator", [](int64_t index) { return sdaa::default_generator(index); });

  m.def("allocated", [](int64_t index) { return sdaa::memory_of(index).allocated; });
  m.def("peak", [](int64_t index) { return sdaa::memory_of(index).peak; });
  m.def("limit", [](int64_t index) { return sdaa::memory_of(index).limit; });
  m.def("reset_peak", &sdaa::reset_peak);
  m.def("set_memory_limit", &sdaa::set_memory_limit);

  m.def("plant", &sdaa::plant);
  m.def("fail", &sdaa::fail);
  m.def("lose_after", &sdaa::lose_after);
  m.def("calls", &sdaa::calls);
  m.def("fell_back", &sdaa::fell_back);
  pybind11::enum_<sdaa::Mode>(m, "Mode")
      .value("warn", sdaa::Mode::warn)
      .value("silent", sdaa::Mode::silent)
      .value("raise_", sdaa::Mode::raise);
  m.def("miss", &sdaa::miss);
  m.def("heal", [] {
    sdaa::heal_faults();
    sdaa::heal_failures();
    sdaa::heal_kernels();
  });

  m.def("tccl", &sdaa::tccl);
}
