#include "worktree/stat_index.h"

#include <fcntl.h>

#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

#include <cstring>

#include "base/codec.h"
#include "base/durable_file.h"

namespace helios {
namespace {

constexpr uint64_t kMagic = 0x58444e49534c4548;  // "HELSINDX"
constexpr uint32_t kVersion = 4;
constexpr uint64_t kPackedMagic = 0x5a444e49534c4548;  // "HELSINDZ"
constexpr uint64_t kIndexBytesMax = uint64_t{16} << 30;
constexpr int kPackingLevel = 16;
// A packed index that claims more is not believed, so that none takes memory that its size does not
// justify.
constexpr uint64_t kPackedRatioMax = 100;

// Every scan checks every section: most of them are small, where BLAKE3 is slow.
uint64_t CheckOf(const IndexedSection* section) {
  return XXH3_64bits(reinterpret_cast<const char*>(section) + sizeof(section->check),
                     section->section_bytes - sizeof(section->check));
}

uint64_t CheckOf(std::span<const uint64_t> parts) {
  return XXH3_64bits(parts.data(), parts.size_bytes());
}

// Whether the entry's rare attributes lie within a text of so many bytes, and can be read.
bool HasSaneRare(const IndexedSection& section, const IndexedEntry& entry, uint64_t text_bytes) {
  const uint64_t start = entry.extra_offset + entry.ExtraBytes();
  if (text_bytes - start < sizeof(uint32_t)) return false;
  const ByteView rare = section.Rare(entry);
  return rare.size() <= text_bytes - start - sizeof(uint32_t) && DecodeRareAttributes(rare);
}

// A checksum proves that the bytes are those that were written; this, that they can be followed.
bool HasSaneEntries(const IndexedSection& section) {
  const uint64_t entries_end =
      sizeof(IndexedSection) + uint64_t{section.entry_count} * sizeof(IndexedEntry);
  if (entries_end > section.section_bytes) return false;
  const uint64_t text_bytes = section.section_bytes - entries_end;
  for (const IndexedEntry& entry : section.Entries()) {
    const uint64_t name_end = uint64_t{entry.name_offset} + entry.name_length;
    if (name_end >= text_bytes || section.Text()[name_end] != '\0') return false;
    if (entry.entry_class > static_cast<uint8_t>(EntryClass::kBadName)) return false;
    if (entry.ExtraBytes() > text_bytes || entry.extra_offset > text_bytes - entry.ExtraBytes()) {
      return false;
    }
    if (entry.HasRare() && !HasSaneRare(section, entry, text_bytes)) return false;
  }
  if (section.own_bytes == 0) return true;
  return section.own_offset <= text_bytes && section.own_bytes <= text_bytes - section.own_offset &&
         DecodeRareAttributes(section.OwnRare());
}

}  // namespace

std::optional<StatIndex> StatIndex::Load(const std::string& path, const IndexHeader& expected) {
  const Result<Fd> fd = OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return std::nullopt;
  const StatusOrErrno status = StatusOf(fd->get());
  if (status.os_error != 0 || !status.status.IsRegular() ||
      status.status.size < sizeof(IndexHeader) || status.status.size > kIndexBytesMax) {
    return std::nullopt;
  }
  // Read, not mapped: the file may be replaced or cut short under our feet.
  StatIndex index;
  index.size_ = static_cast<size_t>(status.status.size);
  index.bytes_.reset(new char[index.size_]);
  if (!ReadExactlyAt(fd->get(), index.bytes_.get(), index.size_, 0, path)) return std::nullopt;
  if (!index.Unpack()) return std::nullopt;
  const auto header = LoadLittleEndian<IndexHeader>(index.bytes_.get());
  if (header.magic != kMagic || header.version != kVersion ||
      header.include_git != expected.include_git || header.device != expected.device ||
      header.inode != expected.inode) {
    return std::nullopt;
  }
  index.root_offset_ = header.root_offset;
  index.epoch_ = header.epoch;
  if (!index.LoadParts(header)) return std::nullopt;
  return index;
}

bool StatIndex::Unpack() {
  const auto packed = LoadLittleEndian<PackedIndexHeader>(bytes_.get());
  is_packed_ = packed.magic == kPackedMagic;
  if (!is_packed_) return true;
  const size_t frame_bytes = size_ - sizeof(packed);
  if (packed.length < sizeof(IndexHeader) || packed.length / kPackedRatioMax > frame_bytes) {
    return false;
  }
  const auto length = static_cast<size_t>(packed.length);
  std::unique_ptr<char[]> bytes(new char[length]);
  const size_t count =
      ZSTD_decompress(bytes.get(), length, bytes_.get() + sizeof(packed), frame_bytes);
  bytes_ = std::move(bytes);
  size_ = length;
  return count == length;  // no error's number is
}

Result<void> StatIndex::Pack(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  HELIOS_TRY_ASSIGN(const std::optional<FileLock> lock,
                    FileLock::AcquireToRead(path, std::chrono::milliseconds(0)));
  if (!lock) return {};
  HELIOS_TRY_ASSIGN(const Bytes index, ReadToEnd(lock->fd(), kIndexBytesMax, path));
  if (index.size() < sizeof(IndexHeader) ||
      LoadLittleEndian<IndexHeader>(index.data()).magic != kMagic) {
    return {};
  }
  const PackedIndexHeader header{kPackedMagic, index.size()};
  Bytes packed(reinterpret_cast<const char*>(&header), sizeof(header));
  packed.resize(sizeof(header) + ZSTD_compressBound(index.size()));
  const size_t count = ZSTD_compress(packed.data() + sizeof(header), packed.size() - sizeof(header),
                                     index.data(), index.size(), kPackingLevel);
  if (ZSTD_isError(count) != 0) return Error(ErrorCode::kFailed, ZSTD_getErrorName(count));
  packed.resize(sizeof(header) + count);
  // What compresses better than we believe is small enough as it is.
  if (packed.size() >= index.size() || index.size() / kPackedRatioMax > count) return {};
  return ReplaceFile(folder, name, packed, Durability::kCache);
}

bool StatIndex::LoadParts(const IndexHeader& header) {
  if (header.parts_offset > size_ ||
      header.part_count > (size_ - header.parts_offset) / sizeof(uint64_t)) {
    return false;
  }
  parts_.resize(static_cast<size_t>(header.part_count));
  if (!parts_.empty()) {
    std::memcpy(parts_.data(), bytes_.get() + header.parts_offset,
                parts_.size() * sizeof(uint64_t));
  }
  return CheckOf(parts_) == header.parts_check;
}

Result<void> StatIndex::Save(const std::string& folder, const std::string& name,
                             const IndexHeader& header, Bytes body, uint64_t base,
                             std::span<const uint64_t> parts) {
  IndexHeader sealed = header;
  sealed.magic = kMagic;
  sealed.version = kVersion;
  sealed.parts_offset = base + body.size();
  sealed.part_count = parts.size();
  sealed.parts_check = CheckOf(parts);
  body.append(reinterpret_cast<const char*>(parts.data()), parts.size_bytes());
  const ByteView head(reinterpret_cast<const char*>(&sealed), sizeof(sealed));
  if (base == sizeof(IndexHeader)) {
    return ReplaceFile(folder, name, Bytes(head).append(body), Durability::kCache);
  }
  const std::string path = folder + "/" + name;
  // Whoever else is writing has seen the same workspace: theirs is as good.
  HELIOS_TRY_ASSIGN(const FileLock lock, FileLock::Acquire(path, FileLock::Mode::kExclusive,
                                                           std::chrono::milliseconds(0)));
  const StatusOrErrno status = StatusOf(lock.fd());
  if (status.os_error != 0 || status.status.size != base) {
    return Error(ErrorCode::kBusy, path + " was changed by another process meanwhile");
  }
  HELIOS_TRY(WriteAllAt(lock.fd(), body, base, path));
  return WriteAllAt(lock.fd(), head, 0, path);
}

const IndexedSection* StatIndex::Section(uint64_t offset) const {
  if (offset % 8 != 0 || offset < sizeof(IndexHeader) || offset > size_ ||
      size_ - offset < sizeof(IndexedSection)) {
    return nullptr;
  }
  const auto* section = reinterpret_cast<const IndexedSection*>(bytes_.get() + offset);
  if (section->section_bytes > size_ - offset || section->section_bytes < sizeof(IndexedSection) ||
      section->check != CheckOf(section) || !HasSaneEntries(*section)) {
    return nullptr;
  }
  return section;
}

void StatIndex::Doubt(uint64_t section_offset) {
  if (Section(section_offset) == nullptr) return;
  auto* section = reinterpret_cast<IndexedSection*>(bytes_.get() + section_offset);
  section->trusted = 0;
  SealSection(section);
}

void StatIndex::DoubtEntry(uint64_t section_offset, size_t entry) {
  if (Section(section_offset) == nullptr) return;
  auto* section = reinterpret_cast<IndexedSection*>(bytes_.get() + section_offset);
  auto* entries = reinterpret_cast<IndexedEntry*>(section + 1);
  entries[entry].flags &= static_cast<uint8_t>(~IndexedEntry::kTrusted);
  SealSection(section);
}

void SealSection(IndexedSection* section) { section->check = CheckOf(section); }

}  // namespace helios
