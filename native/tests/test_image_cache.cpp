// The cache of device code on disk: what it keeps and what it refuses.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "check.h"
#include "worker/handlers/image_cache.h"

namespace {

using bitfusion::worker::ImageCache;
namespace fs = std::filesystem;

std::string make_folder() {
  std::string folder = fs::temp_directory_path() / "bitfusion-cache-XXXXXX";
  CHECK(mkdtemp(folder.data()));
  return folder;
}

std::vector<std::byte> image(size_t size, char fill) { return std::vector<std::byte>(size, static_cast<std::byte>(fill)); }

bool holds(const ImageCache& cache, const std::vector<std::byte>& wanted) {
  uint8_t hash[32];
  ImageCache::hash_of(wanted, hash);
  std::vector<std::byte> found;
  return cache.load(hash, wanted.size(), &found) && found == wanted;
}

std::string path_of(const std::string& folder, const std::vector<std::byte>& bytes) {
  uint8_t hash[32];
  ImageCache::hash_of(bytes, hash);
  std::string path = folder + "/";
  char digits[3];
  for (uint8_t byte : hash) path += (std::snprintf(digits, sizeof(digits), "%02x", byte), digits);
  return path;
}

void what_is_stored_is_found_by_others() {
  const std::string folder = make_folder();
  ImageCache(folder).store(image(1000, 'a'));
  CHECK(holds(ImageCache(folder), image(1000, 'a')));
  CHECK(!holds(ImageCache(folder), image(1000, 'b')));
  struct stat about;
  CHECK(stat(path_of(folder, image(1000, 'a')).c_str(), &about) == 0 && (about.st_mode & 0777) == 0644);
  fs::remove_all(folder);
}

void a_damaged_file_is_as_good_as_none() {
  const std::string folder = make_folder();
  ImageCache cache(folder);
  cache.store(image(1000, 'a'));
  std::fstream(path_of(folder, image(1000, 'a')), std::ios::in | std::ios::out | std::ios::binary) << "x";
  CHECK(!holds(cache, image(1000, 'a')));
  cache.store(image(1000, 'a'));
  CHECK(holds(cache, image(1000, 'a')));
  fs::remove_all(folder);
}

void nothing_half_written_is_left() {
  const std::string folder = make_folder();
  ImageCache cache(folder);
  for (char fill : {'a', 'b', 'a'}) cache.store(image(1000, fill));
  CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 2);
  fs::remove_all(folder);
}

const TestCase kCases[] = {
    {"what is stored is found by others", what_is_stored_is_found_by_others},
    {"a damaged file is as good as none", a_damaged_file_is_as_good_as_none},
    {"nothing half written is left", nothing_half_written_is_left},
};

}  // namespace

int main() { return run_tests(kCases); }
