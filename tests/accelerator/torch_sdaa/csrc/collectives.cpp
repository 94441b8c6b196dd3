// Collectives over tensors on a device: gloo works on the same bytes as CPU tensors.
#include "collectives.h"
#include "device.h"

#include <c10/util/Exception.h>
#include <torch/csrc/distributed/c10d/Work.hpp>
#include <torch/csrc/distributed/c10d/reducer_timer.hpp>

namespace sdaa {
namespace {

using namespace c10d;
using Tensors = std::vector<at::Tensor>;
using Lists = std::vector<Tensors>;
using WorkPtr = c10::intrusive_ptr<Work>;

// Work that is done when it is returned.
class Done final : public Work {
 public:
  Done(OpType type, Tensors results) : Work(-1, type), results_(std::move(results)) {
    std::vector<c10::Device> devices;
    for (c10::DeviceIndex i = 0; i < device_count(); ++i) devices.emplace_back(kDevice, i);
    future_ = c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()), devices);
    future_->markCompleted(c10::IValue(results_));
    finish();
  }
  Tensors result() override {
    return results_;
  }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override {
    return future_;
  }

 private:
  Tensors results_;
  c10::intrusive_ptr<c10::ivalue::Future> future_;
};

// The clock of DistributedDataParallel, which warns of a device without one.
class StepTimer final : public Timer {
 public:
  explicit StepTimer(c10::Device) {}
  std::optional<int64_t> measureDifference(Event start, Event end) override {
    const auto from = getTimestamp(start), to = getTimestamp(end);
    return from && to ? std::optional<int64_t>(*to - *from) : std::nullopt;
  }
};

C10_REGISTER_TYPED_CLASS(TimerRegistry, kDevice, StepTimer)

Tensors hosts(const Tensors& tensors) {
  Tensors made;
  for (const auto& tensor : tensors) made.push_back(host(tensor));
  return made;
}

Lists hosts(const Lists& lists) {
  Lists made;
  for (const auto& tensors : lists) made.push_back(hosts(tensors));
  return made;
}

Tensors joined(const Lists& lists) {
  Tensors all;
  for (const auto& tensors : lists) all.insert(all.end(), tensors.begin(), tensors.end());
  return all;
}

class Tccl final : public Backend {
 public:
  explicit Tccl(c10::intrusive_ptr<Backend> gloo)
      : Backend(gloo->getRank(), gloo->getSize()), gloo_(std::move(gloo)) {}

  const std::string getBackendName() const override {
    return "tccl";
  }
  void setSequenceNumberForGroup() override {
    gloo_->setSequenceNumberForGroup();
  }
  uint64_t getSequenceNumberForGroup() override {
    return gloo_->getSequenceNumberForGroup();
  }

  WorkPtr broadcast(Tensors& tensors, const BroadcastOptions& options) override {
    auto on_host = begin("broadcast", tensors);
    return end(OpType::BROADCAST, gloo_->broadcast(on_host, options), tensors);
  }
  WorkPtr allreduce(Tensors& tensors, const AllreduceOptions& options) override {
    auto on_host = begin("allreduce", tensors);
    auto asked = options;
    const bool average = options.reduceOp == ReduceOp::AVG;  // gloo cannot
    if (average) asked.reduceOp = ReduceOp::SUM;
    gloo_->allreduce(on_host, asked)->wait();
    if (average)
      for (auto& tensor : on_host) tensor.div_(getSize());
    return c10::make_intrusive<Done>(OpType::ALLREDUCE, tensors);
  }
  WorkPtr allreduce_coalesced(Tensors& tensors, const AllreduceCoalescedOptions& options) override {
    for (auto& tensor : tensors) {
      Tensors single{tensor};
      allreduce(single, options);
    }
    return c10::make_intrusive<Done>(OpType::ALLREDUCE_COALESCED, tensors);
  }
  WorkPtr reduce(Tensors& tensors, const ReduceOptions& options) override {
    auto on_host = begin("reduce", tensors);
    return end(OpType::REDUCE, gloo_->reduce(on_host, options), tensors);
  }
  WorkPtr allgather(Lists& outputs, Tensors& inputs, const AllgatherOptions& options) override {
    auto from = begin("allgather", inputs);
    auto to = hosts(outputs);
    return end(OpType::ALLGATHER, gloo_->allgather(to, from, options), joined(outputs));
  }
  WorkPtr _allgather_base(at::Tensor& output, at::Tensor& input, const AllgatherOptions& options) override {
    auto from = begin("allgather", {input});
    Lists pieces{host(output).view({-1}).chunk(getSize())};
    for (auto& piece : pieces[0]) piece = piece.view_as(from[0]);
    return end(OpType::_ALLGATHER_BASE, gloo_->allgather(pieces, from, options), {output});
  }
  WorkPtr gather(Lists& outputs, Tensors& inputs, const GatherOptions& options) override {
    auto from = begin("gather", inputs);
    auto to = hosts(outputs);
    return end(OpType::GATHER, gloo_->gather(to, from, options), joined(outputs));
  }
  WorkPtr scatter(Tensors& outputs, Lists& inputs, const ScatterOptions& options) override {
    auto to = begin("scatter", outputs);
    auto from = hosts(inputs);
    return end(OpType::SCATTER, gloo_->scatter(to, from, options), outputs);
  }
  WorkPtr reduce_scatter(Tensors& outputs, Lists& inputs, const ReduceScatterOptions& options) override {
    for (auto& tensor : inputs.at(0)) {
      Tensors whole{tensor.clone()};
      AllreduceOptions reduction;
      reduction.reduceOp = options.reduceOp;
      allreduce(whole, reduction);
      if (&tensor == &inputs[0].at(getRank())) outputs.at(0).copy_(whole[0]);
    }
    return c10::make_intrusive<Done>(OpType::REDUCE_SCATTER, outputs);
  }
  WorkPtr _reduce_scatter_base(at::Tensor& output, at::Tensor& input, const ReduceScatterOptions& options) override {
    Lists pieces{input.view({-1}).chunk(getSize())};
    Tensors outputs{output.view({-1})};
    reduce_scatter(outputs, pieces, options);
    return c10::make_intrusive<Done>(OpType::_REDUCE_SCATTER_BASE, Tensors{output});
  }
  WorkPtr alltoall_base(
      at::Tensor& output, at::Tensor& input, std::vector<int64_t>& output_splits, std::vector<int64_t>& input_splits,
      const AllToAllOptions& options) override {
    auto from = begin("alltoall", {input})[0];
    auto to = host(output);
    return end(OpType::ALLTOALL_BASE, gloo_->alltoall_base(to, from, output_splits, input_splits, options), {output});
  }
  WorkPtr send(Tensors& tensors, int to, int tag) override {
    auto on_host = begin("send", tensors);
    return end(OpType::SEND, gloo_->send(on_host, to, tag), tensors);
  }
  WorkPtr recv(Tensors& tensors, int from, int tag) override {
    auto on_host = begin("recv", tensors);
    return end(OpType::RECV, gloo_->recv(on_host, from, tag), tensors);
  }
  WorkPtr recvAnysource(Tensors& tensors, int tag) override {
    auto on_host = begin("recv", tensors);
    return end(OpType::RECVANYSOURCE, gloo_->recvAnysource(on_host, tag), tensors);
  }
  WorkPtr barrier(const BarrierOptions& options) override {
    begin("barrier", {});
    return end(OpType::BARRIER, gloo_->barrier(options), {});
  }

 private:
  // Waits for the kernels that make the tensors, whose bytes gloo reads.
  Tensors begin(const std::string& name, const Tensors& tensors) {
    const c10::Device device = tensors.empty() ? c10::Device(kDevice) : tensors[0].device();
    launch({"tccl::" + name, ""}, device);
    synchronize(device.has_index() ? device.index() : current_device());
    return hosts(tensors);
  }
  static WorkPtr end(OpType type, const WorkPtr& work, Tensors results) {
    work->wait();
    return c10::make_intrusive<Done>(type, std::move(results));
  }

  c10::intrusive_ptr<Backend> gloo_;
};

}  // namespace

c10::intrusive_ptr<c10d::Backend> tccl(const c10::intrusive_ptr<c10d::Backend>& gloo) {
  return c10::make_intrusive<Tccl>(gloo);
}

}  // namespace sdaa
