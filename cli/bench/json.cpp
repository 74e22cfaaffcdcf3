#include <nlohmann/json.hpp>

#include "cli/bench/report.h"

namespace ringshift::cli {
namespace {

using Json = nlohmann::ordered_json;

Json number(std::optional<double> value) { return value ? Json(*value) : Json(); }

Json samples_json(const std::vector<BenchSample>& samples) {
  Json list = Json::array();
  for (const BenchSample& sample : samples) {
    list.push_back({{"units", sample.units},
                    {"own_ns", sample.own},
                    {"host_ns", sample.host},
                    {"cpu_ns", sample.cpu},
                    {"checksum", sample.checksum}});
  }
  return list;
}

Json cell_json(const BenchReport& report, const BenchResult& result, std::size_t environment) {
  const BenchCell& cell = result.cells[environment];
  Json json;
  json["unit_ns"] = number(unit_time(cell, report.plan.clock));
  json["ratio"] = number(ratio_to_native(result, environment, report.plan.clock));
  json["wrong"] = cell.wrong;
  if (!cell.error.empty()) json["error"] = cell.error;
  if (const auto error = clock_error(cell)) json["clock_error"] = *error;
  json["samples"] = samples_json(cell.samples);
  if (!cell.native.empty()) json["native_samples"] = samples_json(cell.native);
  return json;
}

}  // namespace

std::string bench_json(const BenchReport& report) {
  Json json;
  json["facts"] = report.facts;
  json["clock"] = report.plan.clock == BenchClock::cpu ? "cpu" : "wall";
  json["runs"] = report.plan.runs;
  json["seconds"] = report.plan.seconds;
  json["rows"] = Json::array();
  for (const BenchResult& result : report.results) {
    Json row{{"name", result.row.name},
             {"group", result.row.group},
             {"unit", result.row.unit},
             {"limit", limit_of(result.row) != 0 ? Json(limit_of(result.row)) : Json()}};
    for (std::size_t i = 0; i < result.cells.size(); ++i) {
      row["environments"][report.environments[i]] = cell_json(report, result, i);
    }
    json["rows"].push_back(std::move(row));
  }
  json["findings"] = Json::array();
  for (const BenchFinding& finding : bench_findings(report)) {
    json["findings"].push_back(
        {{"what", finding.what}, {"value", finding.value}, {"limit", finding.limit}, {"kept", finding.kept}});
  }
  // Consoles may have said anything.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace ringshift::cli
