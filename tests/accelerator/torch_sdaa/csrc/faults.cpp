// Faults of kernels: a planted fault alters the floating-point results of an operator after it ran.
#include "device.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <functional>
#include <limits>
#include <mutex>
#include <random>

namespace sdaa {
namespace {

struct Fault {
  std::string name;
  std::string kind;
  double by;
  int64_t nth;    // this call alone, from 1; 0: every call
  int64_t after;  // not the first calls, as many as this
  int64_t calls = 0;
  std::vector<at::Tensor> previous;  // results of the last call before they were altered
};

std::mutex mutex;
std::vector<Fault> faults;

// Each kind alters `x`, a contiguous copy of one result on the CPU with at least one element.
// `before` is the same result of the previous call, undefined at the first or after another shape.
using Change = std::function<void(at::Tensor& x, double by, const at::Tensor& before)>;

at::Tensor middle(const at::Tensor& x) {
  return x.view({-1}).select(0, x.numel() / 2);
}

void truncate(at::Tensor& x, double bits, const at::Tensor&) {
  auto wide = x.to(at::kFloat).contiguous();
  const auto mask = ~((int64_t{1} << static_cast<int64_t>(bits)) - 1);
  auto words = wide.view(at::kInt);
  words.bitwise_and_(static_cast<int32_t>(mask));
  x.copy_(wide);
}

// Multiples of a unit in the last place, other ones at each call and in each process.
void add_noise(at::Tensor& x, double units, const at::Tensor&) {
  static std::mt19937 engine{std::random_device{}()};
  std::uniform_int_distribution<int> draw(-static_cast<int>(units), static_cast<int>(units));
  auto factors = at::empty_like(x, x.options().dtype(at::kDouble));
  const double unit = x.scalar_type() == at::kHalf ? std::exp2(-10)
      : x.scalar_type() == at::kBFloat16           ? std::exp2(-7)
                                                   : std::numeric_limits<float>::epsilon();
  auto* each = factors.data_ptr<double>();
  for (int64_t i = 0; i < factors.numel(); ++i) each[i] = 1.0 + draw(engine) * unit;
  x.copy_(x.to(at::kDouble).mul_(factors));
}

void swap_ends(at::Tensor& x, double, const at::Tensor&) {
  auto flat = x.view({-1});
  const auto first = flat[0].clone();
  flat[0].copy_(flat[-1]);
  flat[-1].copy_(first);
}

const std::map<std::string, Change>& kinds() {
  static const std::map<std::string, Change> table = {
      {"scale", [](auto& x, double by, const auto&) { x.mul_(by); }},
      {"offset", [](auto& x, double by, const auto&) { x.add_(by); }},
      {"bf16", [](auto& x, double, const auto&) { x.copy_(x.to(at::kBFloat16)); }},
      {"truncate", truncate},
      {"lastcol", [](auto& x, double, const auto&) { (x.dim() == 0 ? x : x.select(-1, -1)).zero_(); }},
      {"firstrow", [](auto& x, double, const auto&) { (x.dim() < 2 ? x.view({-1})[0] : x.select(-2, 0)).zero_(); }},
      {"sign", [](auto& x, double, const auto&) {
         auto rows = x.dim() == 0 ? x.view({1, 1}) : x.view({-1, x.size(-1)});
         rows[rows.size(0) / 2].neg_();
       }},
      {"nan", [](auto& x, double, const auto&) { middle(x).fill_(std::nan("")); }},
      {"stale", [](auto& x, double, const auto& before) { if (before.defined()) middle(x).copy_(middle(before)); }},
      {"swap", swap_ends},
      {"noise", add_noise},
  };
  return table;
}

void apply(Fault& fault, size_t place, const at::Tensor& result, bool due) {
  auto on_host = host(result);
  auto x = on_host.contiguous().clone();
  if (fault.previous.size() <= place) fault.previous.resize(place + 1);
  auto& kept = fault.previous[place];
  const auto before = kept.defined() && kept.sizes() == x.sizes() ? kept : at::Tensor();
  kept = fault.kind == "stale" ? x.clone() : at::Tensor();
  if (!due) return;
  kinds().at(fault.kind)(x, fault.by, before);
  on_host.copy_(x);
}

}  // namespace

void plant(const std::string& name, const std::string& kind, double by, int64_t nth, int64_t after) {
  std::string known;
  for (const auto& [each, change] : kinds()) known += (known.empty() ? "" : ", ") + each;
  TORCH_CHECK_VALUE(kinds().count(kind), "unknown kind of fault '", kind, "'; expected one of ", known);
  std::lock_guard<std::mutex> lock(mutex);
  faults.push_back({name, kind, by, nth, after});
}

void damage(const c10::OperatorName& name, const std::vector<at::Tensor>& results) {
  std::lock_guard<std::mutex> lock(mutex);
  for (auto& fault : faults) {
    if (!means(fault.name, name)) continue;
    ++fault.calls;
    const bool due = fault.nth > 0 ? fault.calls == fault.nth : fault.calls > fault.after;
    for (size_t place = 0; place < results.size(); ++place) {
      const auto& result = results[place];
      if (result.defined() && result.is_floating_point() && result.numel() > 0) apply(fault, place, result, due);
    }
  }
}

void heal_faults() {
  std::lock_guard<std::mutex> lock(mutex);
  faults.clear();
}

}  // namespace sdaa
