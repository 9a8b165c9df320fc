#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace helios::cli {
namespace {

struct Options {
  bool prometheus = false;
};

double Ratio(uint64_t a, uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

constexpr Counter kL1Counters[] = {Counter::kL1Hits, Counter::kL1Misses, Counter::kL1Evictions};

bool IsL1(Counter counter) {
  return std::find(std::begin(kL1Counters), std::end(kL1Counters), counter) !=
         std::end(kL1Counters);
}

Json EngineJson(const StatisticsReport& report) {
  Json engine = Json::object();
  for (size_t i = 0; i < static_cast<size_t>(Latency::kCount); ++i) {
    const auto latency = static_cast<Latency>(i);
    const Histogram& histogram = report.all[latency];
    const std::string name = std::string(LatencyName(latency)) + "_latency_us";
    engine[name + "_p50"] = histogram.Quantile(0.50);
    engine[name + "_p95"] = histogram.Quantile(0.95);
    engine[name + "_p99"] = histogram.Quantile(0.99);
    engine[name + "_count"] = histogram.count;
  }
  for (size_t i = 0; i < static_cast<size_t>(Counter::kCount); ++i) {
    const auto counter = static_cast<Counter>(i);
    if (!IsL1(counter)) engine[std::string(CounterName(counter))] = report.all[counter];
  }
  return engine;
}

Json ToJson(const StatisticsReport& report, const Session& session) {
  const StoreTotals& totals = report.totals;
  const uint64_t put = report.all[Counter::kNewBytes] + report.all[Counter::kReusedBytes];
  Json json;
  json["engine"] = EngineJson(report);
  json["l1"] = {{"evictions", report.all[Counter::kL1Evictions]},
                {"hits", report.all[Counter::kL1Hits]},
                {"items", report.l1_items},
                {"misses", report.all[Counter::kL1Misses]},
                {"size", report.l1_bytes}};
  Json& store = json["store"] = Json::object();
  AddPath(&store, "path", report.store);
  AddPath(&store, "rule", session.store_rule);
  store.update({{"backend", report.backend},
                {"objects", totals.objects},
                {"bytes", totals.bytes},
                {"bytes_on_disk", totals.bytes_on_disk},
                {"packs", totals.packs},
                {"compression_ratio", Ratio(totals.bytes, totals.bytes_on_disk)},
                {"dedup_ratio", Ratio(put, report.all[Counter::kNewBytes])},
                {"snapshots", report.snapshots},
                {"operations", report.operations}});
  if (report.compression) store["compression"] = std::string(CompressionName(*report.compression));
  json["scope"] = {{"counters", "all processes that used the store"},
                   {"l1.items", "this process"},
                   {"l1.size", "this process"},
                   {"store", "the store now"}};
  return json;
}

void PrintForPeople(const Output& output, const StatisticsReport& report, const Session& session) {
  const StoreTotals& totals = report.totals;
  output.PrintText("store " + QuoteName(report.store) + " (" + QuoteName(session.store_rule) +
                   ", " + report.backend + ")\n  " + Count(report.snapshots, "snapshot") + ", " +
                   Count(totals.objects, "object") + ", " + FormatBytes(totals.bytes) + " in " +
                   FormatBytes(totals.bytes_on_disk) + " on disk, " + Count(totals.packs, "pack") +
                   "\n");
  if (report.compression) {
    output.PrintText("  compression: " + std::string(CompressionName(*report.compression)) + "\n");
  }
  output.PrintText("all processes so far\n");
  for (size_t i = 0; i < static_cast<size_t>(Counter::kCount); ++i) {
    const auto counter = static_cast<Counter>(i);
    if (report.all[counter] == 0) continue;
    output.PrintText("  " + std::string(CounterName(counter)) + ": " +
                     std::to_string(report.all[counter]) + "\n");
  }
  for (size_t i = 0; i < static_cast<size_t>(Latency::kCount); ++i) {
    const Histogram& histogram = report.all[static_cast<Latency>(i)];
    if (histogram.count == 0) continue;
    output.PrintText("  " + std::string(LatencyName(static_cast<Latency>(i))) + " latency: p50 " +
                     std::to_string(histogram.Quantile(0.5)) + " µs, p95 " +
                     std::to_string(histogram.Quantile(0.95)) + " µs, p99 " +
                     std::to_string(histogram.Quantile(0.99)) + " µs\n");
  }
}

// https://prometheus.io/docs/instrumenting/exposition_formats/, the text format.
void PrintPrometheus(const Output& output, const StatisticsReport& report) {
  const auto gauge = [&](const std::string& name, uint64_t value) {
    output.PrintText("# TYPE helios_" + name + " gauge\nhelios_" + name + " " +
                     std::to_string(value) + "\n");
  };
  for (size_t i = 0; i < static_cast<size_t>(Counter::kCount); ++i) {
    const auto counter = static_cast<Counter>(i);
    std::string name = "helios_" + std::string(CounterName(counter));
    if (!name.ends_with("_total")) name += "_total";
    output.PrintText("# TYPE " + name + " counter\n" + name + " " +
                     std::to_string(report.all[counter]) + "\n");
  }
  for (size_t i = 0; i < static_cast<size_t>(Latency::kCount); ++i) {
    const Histogram& histogram = report.all[static_cast<Latency>(i)];
    const std::string name =
        "helios_" + std::string(LatencyName(static_cast<Latency>(i))) + "_latency_microseconds";
    output.PrintText("# TYPE " + name + " histogram\n");
    uint64_t below = 0;
    for (size_t bucket = 0; bucket + 1 < Histogram::kBuckets; ++bucket) {
      if (histogram.buckets[bucket] == 0) continue;
      below += histogram.buckets[bucket];
      output.PrintText(name + "_bucket{le=\"" +
                       std::to_string(Histogram::BucketStart(bucket + 1) - 1) + "\"} " +
                       std::to_string(below) + "\n");
    }
    output.PrintText(name + "_bucket{le=\"+Inf\"} " + std::to_string(histogram.count) + "\n" +
                     name + "_sum " + std::to_string(histogram.sum_us) + "\n" + name + "_count " +
                     std::to_string(histogram.count) + "\n");
  }
  gauge("l1_items", report.l1_items);
  gauge("l1_bytes", report.l1_bytes);
  gauge("store_objects", report.totals.objects);
  gauge("store_object_bytes", report.totals.bytes);
  gauge("store_disk_bytes", report.totals.bytes_on_disk);
}

int Run(Session& session, const Options& options) {
  const Output& output = session.output;
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<StatisticsReport> report = (*engine)->Statistics();
  if (!report) return output.Fail(report.error());
  if (options.prometheus) {
    PrintPrometheus(output, *report);
  } else if (output.json) {
    output.PrintJson(ToJson(*report, session));
  } else {
    PrintForPeople(output, *report, session);
  }
  return kExitSuccess;
}

}  // namespace

void AddStatsCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("stats", "What a store holds and what was done with it");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  command->add_flag("--prometheus", options->prometheus, "Print Prometheus' text format");
  command->footer(
      "Examples:\n"
      "  helios stats                  of the store that this folder uses\n"
      "  helios stats --store DIR --json\n"
      "Counters are of all processes that used the store; l1.items and l1.size of this process.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli
