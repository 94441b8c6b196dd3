// The collective backend `tccl`.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>

namespace sdaa {

// Returns a backend that does its collectives on tensors of a device by gloo, over the same bytes.
c10::intrusive_ptr<c10d::Backend> tccl(const c10::intrusive_ptr<c10d::Backend>& gloo);

}  // namespace sdaa
