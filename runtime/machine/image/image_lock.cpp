#include "runtime/machine/image/image_lock.h"

#include <fcntl.h>

#include <cerrno>
#include <initializer_list>
#include <optional>

namespace ringshift::machine {
namespace {

// What somebody does with an image has a number. Byte 100 + n of the file is locked, for reading, by whoever does it,
// and byte 200 + n by whoever does not want others to. Such locks never exclude each other: having set its own,
// everybody looks for those of others that contradict them. The locks are those of open files, not of processes.
constexpr off_t kDone = 100, kUnwanted = 200;
constexpr off_t kReads = 0, kWrites = 1, kResizes = 3;

struct flock at(off_t byte, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

// Nothing: no errors.
std::optional<LockOutcome> set(int fd, off_t byte) {
  struct flock lock = at(byte, F_RDLCK);
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return std::nullopt;
  return errno == EAGAIN || errno == EACCES ? LockOutcome::in_use : LockOutcome::unsupported;
}

bool set_by_others(int fd, off_t byte) {
  struct flock lock = at(byte, F_WRLCK);
  return ::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace

LockOutcome lock_image(int fd, bool writes) {
  for (const off_t byte : {kDone + kReads, kUnwanted + kWrites, kUnwanted + kResizes}) {
    if (const auto failed = set(fd, byte)) return *failed;
  }
  if (writes) {
    if (const auto failed = set(fd, kDone + kWrites)) return *failed;
  }
  for (const off_t byte : {kUnwanted + kReads, kDone + kWrites, kDone + kResizes}) {
    if (set_by_others(fd, byte)) return LockOutcome::in_use;
  }
  return writes && set_by_others(fd, kUnwanted + kWrites) ? LockOutcome::in_use : LockOutcome::locked;
}

}  // namespace ringshift::machine
