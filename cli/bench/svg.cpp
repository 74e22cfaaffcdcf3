// The plot: a line for each row, a dot for each environment, on a logarithmic scale of the ratio to native.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "cli/bench/report.h"

namespace ringshift::cli {
namespace {

constexpr double kLeft = 130;
constexpr double kPlotWidth = 620;
constexpr double kRight = 260;
constexpr double kTop = 70;
constexpr double kLine = 20;
constexpr double kGroupGap = 12;

constexpr std::array kColors{"#444444", "#0b6fb8", "#c0392b", "#7f8c3f"};

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '&') {
      result += "&amp;";
    } else {
      result += c;
    }
  }
  return result;
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text, std::string_view style = {}) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}{}>{}</text>\n", x, y, anchor,
                     style.empty() ? "" : " ", style, escaped(text));
}

class Plot {
 public:
  explicit Plot(const BenchReport& report) : report_(report) {
    for (const BenchResult& result : report.results) {
      for (std::size_t i = 1; i < result.cells.size(); ++i) {
        if (const auto ratio = ratio_to_native(result, i, report.plan.clock)) {
          most_ = std::max(most_, *ratio);
          least_ = std::min(least_, *ratio);
        }
      }
    }
    most_ = std::min(most_ * 1.15, 1e6);
    least_ = std::max(least_ / 1.15, 1e-2);
  }

  std::string draw() {
    std::string_view group;
    double y = kTop;
    std::string rows;
    for (const BenchResult& result : report_.results) {
      if (result.row.group != group) {
        y += group.empty() ? 0 : kGroupGap;
        group = result.row.group;
      }
      rows += row(result, y);
      y += kLine;
    }
    const double bottom = y;
    const double width = kLeft + kPlotWidth + kRight;
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
        "{1:.0f}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        width, bottom + 40);
    svg += text_at(kLeft, 22, "start", "Time compared with the same program on this host (1 = as fast; less is better)",
                   "font-size=\"14\"");
    svg += legend();
    svg += grid(bottom);
    return svg + rows + "</svg>\n";
  }

 private:
  [[nodiscard]] double x_of(double ratio) const {
    const double at = std::log(std::clamp(ratio, least_, most_) / least_) / std::log(most_ / least_);
    return kLeft + at * kPlotWidth;
  }

  [[nodiscard]] std::string legend() const {
    std::string svg;
    double x = kLeft + 6;
    for (std::size_t i = 1; i < report_.environments.size(); ++i) {
      svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"42\" r=\"5\" fill=\"{}\"/>\n", x, kColors[i % kColors.size()]);
      svg += text_at(x + 10, 46, "start", report_.environments[i]);
      x += 110;
    }
    svg += fmt::format("<path d=\"M{0:.1f} 35v14\" stroke=\"#0b6fb8\" stroke-width=\"2\"/>\n", x);
    return svg + text_at(x + 8, 46, "start", "limit");
  }

  [[nodiscard]] std::string grid(double bottom) const {
    std::string svg;
    for (int decade = -2; decade <= 6; ++decade) {
      for (const int digit : {1, 2, 5}) {
        const double value = std::pow(10, decade) * digit;
        if (value < least_ * 0.999 || value > most_) continue;
        const double x = x_of(value);
        const bool native = std::abs(value - 1) < 1e-9;
        svg += fmt::format("<path d=\"M{:.1f} {:.1f}V{:.1f}\" stroke=\"{}\" stroke-width=\"{}\"/>\n", x, kTop - 12,
                           bottom, native ? "#444444" : "#dddddd", native ? 1.5 : 1);
        svg += text_at(x, bottom + 16, "middle", fmt::format("{:g}", value));
      }
    }
    return svg;
  }

  [[nodiscard]] std::string row(const BenchResult& result, double y) const {
    std::string svg = text_at(kLeft - 10, y + 4, "end", result.row.name);
    svg += fmt::format("<path d=\"M{:.1f} {:.1f}H{:.1f}\" stroke=\"#eeeeee\"/>\n", kLeft, y, kLeft + kPlotWidth);
    svg += text_at(kLeft + kPlotWidth + 12, y + 4, "start", result.row.unit, "fill=\"#888888\" font-size=\"11\"");
    if (const double limit = limit_of(result.row); limit != 0) {
      svg += fmt::format("<path d=\"M{:.1f} {:.1f}v14\" stroke=\"#0b6fb8\" stroke-width=\"2\"/>\n", x_of(limit), y - 7);
    }
    for (std::size_t i = result.cells.size(); i-- > 1;) {
      const auto ratio = ratio_to_native(result, i, report_.plan.clock);
      if (!ratio) continue;
      const bool wrong = result.cells[i].wrong;
      svg += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"{}\" stroke=\"{}\"><title>{} {}: "
          "{:.2f}</title></circle>\n",
          x_of(*ratio), y, wrong ? "white" : kColors[i % kColors.size()], kColors[i % kColors.size()], result.row.name,
          report_.environments[i], *ratio);
    }
    return svg;
  }

  const BenchReport& report_;
  double least_ = 0.5, most_ = 10;
};

}  // namespace

std::string bench_svg(const BenchReport& report) { return Plot(report).draw(); }

}  // namespace ringshift::cli
