#include "mmu/page_walk.h"

#include <atomic>

#include "mmu/paging_bits.h"

namespace ringshift::mmu {
namespace {

template <class T>
std::uint64_t load(std::uint8_t* host) {
  return std::atomic_ref<T>(*reinterpret_cast<T*>(host)).load(std::memory_order_relaxed);
}

std::uint64_t read_entry(PhysicalMap& physical, PhysAddr address, bool pae) {
  const PhysPage page = physical.page(address);
  if (page.host == nullptr) return physical.read(address, pae ? 8 : 4);
  std::uint8_t* host = page.host + (address & kPageMask);
  return pae ? load<std::uint64_t>(host) : load<std::uint32_t>(host);
}

template <class T>
bool exchange(std::uint8_t* host, std::uint64_t before, std::uint64_t after) {
  T expected = static_cast<T>(before);
  return std::atomic_ref<T>(*reinterpret_cast<T*>(host)).compare_exchange_strong(expected, static_cast<T>(after));
}

// Sets bits in an entry as a locked read-modify-write. False if the entry changed since it was read,
// by another CPU or by DMA: then the walk starts again.
bool set_bits(PhysicalMap& physical, PhysAddr address, bool pae, std::uint64_t& value, std::uint64_t set) {
  if ((value & set) == set) return true;
  const PhysPage page = physical.page(address);
  if (page.kind == PageKind::ram) {
    physical.about_to_write(address, pae ? 8 : 4);
    std::uint8_t* host = page.host + (address & kPageMask);
    const bool done =
        pae ? exchange<std::uint64_t>(host, value, value | set) : exchange<std::uint32_t>(host, value, value | set);
    if (!done) return false;
  } else {
    physical.write(address, pae ? 8 : 4, value | set);
  }
  value |= set;
  return true;
}

enum class Path : std::uint8_t {
  complete,
  not_present,
  reserved
};

// Reads the entries on the way to `linear` and puts addresses, values and combined rights into `out`.
Path follow(PhysicalMap& physical, const PagingState& paging, Linear linear, Walk& out) {
  PhysAddr pde_at = 0;
  if (!bits::pde_address(paging, linear, pde_at)) return Path::not_present;
  pde_at = paging.on_pins(pde_at);
  const std::uint64_t pde = read_entry(physical, pde_at, paging.pae);
  if ((pde & bits::kPresent) == 0) return Path::not_present;
  const bool large = bits::is_large(paging, pde);
  if ((pde & bits::reserved_bits(paging, large)) != 0) return Path::reserved;

  std::uint64_t leaf = pde;
  std::uint64_t rights = pde;
  std::uint64_t no_execute = pde;
  out.entry_address = pde_at;
  out.upper_address = 0;
  out.upper_value = 0;
  if (large) {
    out.page_size = bits::large_page_size(paging);
    out.address = bits::large_page_base(paging, pde) + (linear & (out.page_size - 1));
  } else {
    const PhysAddr pte_at = paging.on_pins(bits::pte_address(paging, linear, pde));
    leaf = read_entry(physical, pte_at, paging.pae);
    if ((leaf & bits::kPresent) == 0) return Path::not_present;
    if ((leaf & bits::reserved_bits(paging, false)) != 0) return Path::reserved;
    rights &= leaf;
    no_execute |= leaf;
    out.page_size = kPageSize;
    out.address = (leaf & bits::kFrameMask) + (linear & kPageMask);
    out.entry_address = pte_at;
    out.upper_address = pde_at;
    out.upper_value = pde;
  }
  out.entry_value = leaf;
  out.address = paging.on_pins(out.address);
  out.writable = (rights & bits::kWrite) != 0;
  out.user = (rights & bits::kUser) != 0;
  out.global = paging.global && (leaf & bits::kGlobal) != 0;
  out.no_execute = paging.pae && paging.nxe && (no_execute & bits::kNoExecute) != 0;
  out.dirty = (leaf & bits::kDirty) != 0;
  return Path::complete;
}

Walk identity(const PagingState& paging, Linear linear) {
  Walk walk;
  walk.ok = walk.writable = walk.user = walk.dirty = true;
  walk.address = paging.on_pins(linear);
  return walk;
}

bool allowed(const Walk& walk, const PagingState& paging, Access access, bool user) {
  if (user && !walk.user) return false;
  if (access == Access::write) return walk.writable || (!user && !paging.write_protect);
  return access != Access::fetch || !walk.no_execute;
}

Walk fault(std::uint32_t error) {
  Walk walk;
  walk.error = error;
  return walk;
}

}  // namespace

Walk walk(PhysicalMap& physical, const PagingState& paging, Linear linear, Access access, bool user) {
  if (!paging.enabled) return identity(paging, linear);
  std::uint32_t error = user ? pf::kUser : 0;
  if (access == Access::write) error |= pf::kWrite;
  if (access == Access::fetch && paging.pae && paging.nxe) error |= pf::kFetch;

  for (;;) {
    Walk out;
    const Path path = follow(physical, paging, linear, out);
    if (path == Path::not_present) return fault(error);
    if (path == Path::reserved) return fault(error | pf::kPresent | pf::kReserved);
    if (!allowed(out, paging, access, user)) return fault(error | pf::kPresent);

    std::uint64_t set = bits::kAccessed;
    if (access == Access::write) set |= bits::kDirty;
    const bool has_table = out.page_size == kPageSize;  // its PDE may stand at physical address 0
    if (has_table && !set_bits(physical, out.upper_address, paging.pae, out.upper_value, bits::kAccessed)) continue;
    if (!set_bits(physical, out.entry_address, paging.pae, out.entry_value, set)) continue;
    out.dirty = (out.entry_value & bits::kDirty) != 0;
    out.ok = true;
    return out;
  }
}

Walk probe(PhysicalMap& physical, const PagingState& paging, Linear linear) {
  if (!paging.enabled) return identity(paging, linear);
  Walk out;
  switch (follow(physical, paging, linear, out)) {
    case Path::complete:
      out.ok = true;
      return out;
    case Path::not_present:
      return fault(0);
    case Path::reserved:
      break;
  }
  return fault(pf::kPresent | pf::kReserved);
}

}  // namespace ringshift::mmu
