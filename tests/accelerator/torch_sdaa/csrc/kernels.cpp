// The operators that the device has. Each is registered by name and computes what the CPU's kernel
// computes. An operator that was taken away is left to torch, which runs the fallback below.
#include "device.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/enum_tag.h>
#include <ATen/native/CPUFallback.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <mutex>
#include <set>
#include <unordered_map>

namespace sdaa {
namespace {

using torch::jit::Stack;

std::mutex mutex;
using Registrations = std::unordered_map<c10::OperatorName, c10::RegistrationHandleRAII>;
Registrations* registered;  // never freed: torch may end first
std::unordered_map<c10::OperatorName, Mode> missing;
std::map<std::string, int64_t> fallen_back;
std::set<std::string> warned;

std::string full(const c10::OperatorName& name) {
  return name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
}

void add_tensors(const c10::IValue& value, std::vector<at::Tensor>& tensors) {
  if (value.isTensor()) {
    tensors.push_back(value.toTensor());
  } else if (value.isTensorList()) {
    for (const at::Tensor& each : value.toTensorList()) tensors.push_back(each);
  }
}

// The arguments of a call that are tensors, and the device that runs it: that of the first tensor on a
// device, else of a device argument, else the current one.
struct Call {
  explicit Call(const c10::FunctionSchema& schema, const Stack& stack) : device(kDevice, current_device()) {
    for (size_t i = stack.size() - schema.arguments().size(); i < stack.size(); ++i) {
      add_tensors(stack[i], tensors);
      if (stack[i].isDevice() && stack[i].toDevice().type() == kDevice && stack[i].toDevice().has_index())
        device = stack[i].toDevice();
    }
    for (auto tensor = tensors.rbegin(); tensor != tensors.rend(); ++tensor)
      if (tensor->defined() && tensor->device().type() == kDevice) device = tensor->device();
    // an index may be on the CPU, as for torch's own devices
    if (schema.name().find("index") == std::string::npos) check_together(tensors, device);
  }
  std::vector<at::Tensor> tensors;
  c10::Device device;
};

// What the operator writes into and does not return, as an optimizer's fused step does.
std::vector<at::Tensor> written(const c10::FunctionSchema& schema, const Stack& stack) {
  std::vector<at::Tensor> tensors;
  if (!schema.returns().empty()) return tensors;
  const auto first = stack.size() - schema.arguments().size();
  for (size_t i = 0; i < schema.arguments().size(); ++i) {
    const auto* alias = schema.arguments()[i].alias_info();
    if (alias != nullptr && alias->isWrite()) add_tensors(stack[first + i], tensors);
  }
  return tensors;
}

// While it exists, random operators draw from the device's generator and leave the CPU's alone.
class Draws {
 public:
  Draws(const c10::OperatorHandle& op, Stack& stack, c10::Device device) {
    if (!op.hasTag(at::Tag::nondeterministic_seeded)) return;
    const auto& arguments = op.schema().arguments();
    auto generator = default_generator(device.index());
    for (size_t i = 0; i < arguments.size(); ++i) {
      auto& value = stack[stack.size() - arguments.size() + i];
      if (arguments[i].name() != "generator") continue;
      value = host_generator(value.isNone() ? generator : value.toGenerator());
      return;
    }
    own_ = host_generator(generator);
    saved_ = cpu().get_state();
    cpu().set_state(own_.get_state());
  }
  ~Draws() {
    if (!own_.defined()) return;
    own_.set_state(cpu().get_state());
    cpu().set_state(saved_);
  }
  Draws(const Draws&) = delete;
  Draws& operator=(const Draws&) = delete;

 private:
  static at::Generator cpu() {
    return at::detail::getDefaultCPUGenerator();
  }
  at::Generator own_;
  at::Tensor saved_;
};

void kernel(const c10::OperatorHandle& op, Stack* stack) {
  const auto& schema = op.schema();
  const auto& name = schema.operator_name();
  const auto device = Call(schema, *stack).device;
  launch(name, device);
  auto results = written(schema, *stack);
  {
    const Kernel running;
    const Draws draws(op, *stack, device);
    at::native::cpu_fallback(op, stack);
  }
  bool waits = false;  // a result that is no tensor is on the host
  for (size_t i = stack->size() - schema.returns().size(); i < stack->size(); ++i) {
    add_tensors((*stack)[i], results);
    waits = waits || !((*stack)[i].isTensor() || (*stack)[i].isTensorList());
  }
  if (waits) synchronize(device.index());
  damage(name, results);
}

// Returns how to treat an operator that the device does not have, and counts the call.
Mode fall(const c10::OperatorName& operation, bool& warns) {
  std::lock_guard<std::mutex> lock(mutex);
  const auto name = full(operation);
  const auto told = missing.find(operation);
  const auto mode = told == missing.end() ? Mode::warn : told->second;
  if (mode != Mode::raise) ++fallen_back[name];
  warns = mode == Mode::warn && warned.insert(name).second;
  return mode;
}

void fallback(const c10::OperatorHandle& op, Stack* stack) {
  const auto name = full(op.schema().operator_name());
  bool warns = false;
  TORCH_CHECK_NOT_IMPLEMENTED(
      fall(op.schema().operator_name(), warns) != Mode::raise, "The operator '", name,
      "' is not currently implemented for the SDAA device.");
  if (warns)
    TORCH_WARN(
        "CAUTION: The operator '", name,
        "' is not currently supported on the SDAA backend and will fall back to run on the CPU.");
  at::native::cpu_fallback(op, stack);  // its copies to the host wait for the device
}

bool is_view(const c10::FunctionSchema& schema) {
  for (const auto& result : schema.returns())
    if (result.alias_info() != nullptr && !result.alias_info()->isWrite()) return true;
  return false;
}

void add_kernel(const c10::OperatorName& name) {
  const auto layer = layers().find(full(name));
  const auto function = layer != layers().end() ? layer->second : c10::KernelFunction::makeFromBoxedFunction<&kernel>();
  registered->emplace(
      name,
      c10::Dispatcher::singleton().registerImpl(
          name, c10::DispatchKey::PrivateUse1, function, std::nullopt, nullptr, "torch_sdaa"));
}

bool belongs(const c10::OperatorHandle& op) {
  const auto& name = op.schema().operator_name();
  if (layers().count(full(name)) != 0) return true;
  return name.name.rfind("aten::", 0) == 0 && op.hasKernelForDispatchKey(c10::DispatchKey::CPU) &&
      !op.hasKernelForDispatchKey(c10::DispatchKey::PrivateUse1) && !is_view(op.schema());
}

}  // namespace

void register_kernels() {
  registered = new Registrations();
  auto& dispatcher = c10::Dispatcher::singleton();
  // torch 2.7 has none, and its collectives then refuse tensors of a plugin.
  const auto autograd = c10::DispatchKey::AutogradPrivateUse1;
  if (!dispatcher.hasBackendFallbackForDispatchKey(autograd))
    new auto(dispatcher.registerFallback(autograd, c10::KernelFunction::makeFallthrough(), "torch_sdaa"));
  for (const auto& name : dispatcher.getAllOpNames()) {
    const auto op = dispatcher.findSchema(name);
    if (op.has_value() && belongs(*op)) add_kernel(name);
  }
}

void miss(const std::string& wanted, Mode mode) {
  std::lock_guard<std::mutex> lock(mutex);
  size_t taken = 0;
  for (auto each = registered->begin(); each != registered->end();) {
    if (!means(wanted, each->first)) {
      ++each;
      continue;
    }
    missing[each->first] = mode;
    each = registered->erase(each);
    ++taken;
  }
  TORCH_CHECK_VALUE(taken > 0, "the device has no operator '", wanted, "'; expected a name such as aten::_softmax");
}

std::map<std::string, int64_t> fell_back() {
  std::lock_guard<std::mutex> lock(mutex);
  return fallen_back;
}

void heal_kernels() {
  std::lock_guard<std::mutex> lock(mutex);
  for (const auto& [name, mode] : missing) add_kernel(name);
  missing.clear();
  fallen_back.clear();
  warned.clear();
}

}  // namespace sdaa

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&sdaa::fallback>());
}
