#include "tests/isa/long_run.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "translator/isa/row.h"

namespace ringshift::test {
namespace {

constexpr std::uint64_t kChunk = 20'000;
constexpr char kNewline = '\x1F';  // within one line of what a process sends

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Job {
  EngineKind engine = EngineKind::interpret;
  unsigned part = 0;
  unsigned parts = 1;
};

struct Worker {
  pid_t pid = 0;
  int pipe = -1;
  std::string received{};
  std::uint64_t cases = 0, different = 0;  // so far
  bool finished = false;
};

// ---- in a process -----------------------------------------------------------------------------

std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', kNewline);
  return text;
}

void send(std::FILE* to, const std::string& line) { std::fputs((line + '\n').c_str(), to); }

void send_results(const Laboratory& lab, const LongRunOptions& options, EngineKind engine, std::FILE* to) {
  std::string forms = "forms";
  for (const auto n : lab.cases_of_form()) forms += fmt::format(" {}", n);
  send(to, forms);
  send(to, fmt::format("unsteady {}", lab.unsteady()));
  for (const auto& [vector, n] : lab.events()) send(to, fmt::format("event {} {}", vector, n));
  for (const auto& [what, n] : lab.ignored()) {
    send(to, fmt::format("ignored {} {}\t{}", n, isa::row(what.first).name, what.second));
  }
  for (const auto& [op, n] : lab.different_by_op()) send(to, fmt::format("op {} {}", n, isa::row(op).name));
  for (const Discrepancy& d : lab.discrepancies()) {
    const std::string again =
        fmt::format("isa_lab --engine {} --seed {} --only {}", engine_name(engine), options.laboratory.seed, d.number);
    send(to, "text " + one_line(fmt::format("{} ({}):\n{}", again, isa::row(d.op).name, d.text)));
  }
  send(to, "finished");
}

[[noreturn]] void work(const LongRunOptions& options, const Job& job, int pipe) {
  std::FILE* const to = fdopen(pipe, "w");
  Laboratory lab(job.engine, options.laboratory);
  if (!lab.ok()) {
    send(to, "why " + lab.why());
  } else {
    const double end = now() + static_cast<double>(options.seconds);
    for (std::uint64_t chunk = job.part;; chunk += job.parts) {
      const std::uint64_t first = chunk * kChunk;
      if (options.seconds != 0 ? now() >= end : first >= options.cases) break;
      lab.run(first, options.seconds != 0 ? kChunk : std::min(kChunk, options.cases - first));
      send(to, fmt::format("so-far {} {}", lab.cases(), lab.different()));
      std::fflush(to);
    }
    send_results(lab, options, job.engine, to);
  }
  std::fclose(to);
  std::_Exit(0);
}

// ---- in the process that waits ----------------------------------------------------------------

void take_line(std::string_view line, Worker& worker, LongRunSummary& summary) {
  std::istringstream in{std::string(line)};
  std::string key;
  in >> key;
  const auto rest = [&in] {
    std::string text;
    std::getline(in >> std::ws, text);
    std::ranges::replace(text, kNewline, '\n');
    return text;
  };
  std::uint64_t n = 0;
  if (key == "so-far") {
    in >> worker.cases >> worker.different;
  } else if (key == "forms") {
    for (std::size_t i = 0; in >> n; ++i) {
      summary.cases_of_form.resize(std::max(summary.cases_of_form.size(), i + 1));
      summary.cases_of_form[i] += n;
    }
  } else if (key == "unsteady") {
    in >> n;
    summary.unsteady += n;
  } else if (key == "event") {
    int vector = 0;
    in >> vector >> n;
    summary.events[vector] += n;
  } else if (key == "ignored") {
    in >> n;
    const std::string text = rest();
    const std::size_t tab = text.find('\t');
    summary.ignored[{text.substr(0, tab), text.substr(tab + 1)}] += n;
  } else if (key == "op") {
    in >> n;
    summary.different_by_op[rest()] += n;
  } else if (key == "text") {
    summary.discrepancies.push_back(rest());
  } else if (key == "why") {
    summary.why_not = rest();
    worker.finished = true;
  } else if (key == "finished") {
    worker.finished = true;
  }
}

// False at the end of what the process sends.
bool receive(Worker& worker, LongRunSummary& summary) {
  std::array<char, 65536> buffer;
  const ssize_t n = read(worker.pipe, buffer.data(), buffer.size());
  if (n <= 0) return false;
  worker.received.append(buffer.data(), static_cast<std::size_t>(n));
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = worker.received.find('\n', begin)) != std::string::npos; begin = end + 1) {
    take_line(std::string_view(worker.received).substr(begin, end - begin), worker, summary);
  }
  worker.received.erase(0, begin);
  return true;
}

std::vector<Worker> start(const LongRunOptions& options) {
  std::vector<Worker> workers;
  const auto engines = static_cast<unsigned>(options.engines.size());
  const unsigned parts = std::max(options.jobs / engines, 1U);
  std::fflush(nullptr);
  for (const EngineKind engine : options.engines) {
    for (unsigned part = 0; part < parts; ++part) {
      std::array<int, 2> ends{};
      if (pipe(ends.data()) != 0) return workers;
      const pid_t pid = fork();
      if (pid == 0) {
        for (const Worker& other : workers) close(other.pipe);
        close(ends[0]);
        work(options, {engine, part, parts}, ends[1]);
      }
      close(ends[1]);
      workers.push_back({.pid = pid, .pipe = ends[0]});
    }
  }
  return workers;
}

}  // namespace

std::string_view engine_name(EngineKind kind) { return kind == EngineKind::translate ? "translate" : "interpret"; }

LongRunSummary long_run(const LongRunOptions& options) {
  constexpr double kTellEvery = 60;
  LongRunSummary summary;
  const double start_time = now();
  double next = kTellEvery;
  std::vector<Worker> workers = start(options);
  std::vector<pollfd> polled;
  polled.reserve(workers.size());
  for (const Worker& worker : workers) polled.push_back({worker.pipe, POLLIN, 0});
  std::size_t open = workers.size();
  while (open != 0) {
    poll(polled.data(), polled.size(), 1000);
    for (std::size_t i = 0; i < workers.size(); ++i) {
      if (polled[i].fd < 0 || polled[i].revents == 0 || receive(workers[i], summary)) continue;
      polled[i].fd = -1;
      --open;
    }
    summary.cases = summary.different = 0;
    for (const Worker& worker : workers) {
      summary.cases += worker.cases;
      summary.different += worker.different;
    }
    summary.seconds = now() - start_time;
    if (summary.seconds < next) continue;
    next += kTellEvery;
    fmt::print(stderr, "{:.0f} s: {} cases, {:.0f} a second, {} different\n", summary.seconds, summary.cases,
               static_cast<double>(summary.cases) / summary.seconds, summary.different);
  }
  for (const Worker& worker : workers) {
    int status = 0;
    waitpid(worker.pid, &status, 0);
    close(worker.pipe);
    if (!worker.finished) summary.why_not = fmt::format("a process died (status {:x})", status);
  }
  return summary;
}

}  // namespace ringshift::test
