#include "worker/handlers/image_cache.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bitfusion::worker {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

bool read_all(int fd, std::vector<std::byte>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t got = read(fd, bytes.data() + done, bytes.size() - done);
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return true;
}

}  // namespace

bool ImageCache::load(const uint8_t hash[32], uint64_t size, std::vector<std::byte>* image) const {
  if (folder_.empty()) return false;
  const Descriptor file(open(path_of(hash).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat about;
  if (file.get() < 0 || fstat(file.get(), &about) != 0 || static_cast<uint64_t>(about.st_size) != size) return false;
  image->resize(size);
  uint8_t found[32];
  if (!read_all(file.get(), *image)) return false;
  hash_of(*image, found);
  return std::memcmp(found, hash, sizeof found) == 0;  // a damaged file is as good as none
}

void ImageCache::store(std::span<const std::byte> image) const {
  if (folder_.empty()) return;
  uint8_t hash[32];
  hash_of(image, hash);
  const std::string path = path_of(hash);
  std::string part = path + ".part.XXXXXX";  // the dispatcher removes what is left of workers that were killed
  const Descriptor file(mkostemp(part.data(), O_CLOEXEC));
  if (file.get() < 0) return;
  const bool written = write_all(file.get(), image) && fchmod(file.get(), 0644) == 0;  // workers of other users read it too
  if (!written || rename(part.c_str(), path.c_str()) != 0) unlink(part.c_str());
}

void ImageCache::hash_of(std::span<const std::byte> image, uint8_t hash[32]) {
  SHA256(reinterpret_cast<const uint8_t*>(image.data()), image.size(), hash);
}

std::string ImageCache::path_of(const uint8_t hash[32]) const {
  char name[65];
  for (int i = 0; i < 32; ++i) std::snprintf(name + 2 * i, 3, "%02x", hash[i]);
  return folder_ + "/" + name;
}

}  // namespace bitfusion::worker
