# BLAKE3 from its official C sources: the system's library where there is one, else the sources (with
# their assembly) inside Debian's librust-blake3-dev. Defines the target helios_blake3, and
# HELIOS_BLAKE3_SYSTEM_LIBRARY if whoever links our static library must link the system's, too.
# The system's library keeps its inner functions to itself; with the sources they can be called, and
# HELIOS_BLAKE3_HAS_HASH_MANY says so (src/object/blake3_inner.h).
find_path(BLAKE3_INCLUDE_DIR blake3.h)
find_library(BLAKE3_LIBRARY blake3)
if(BLAKE3_INCLUDE_DIR AND BLAKE3_LIBRARY)
  add_library(helios_blake3 INTERFACE)
  target_include_directories(helios_blake3 SYSTEM INTERFACE ${BLAKE3_INCLUDE_DIR})
  target_link_libraries(helios_blake3 INTERFACE ${BLAKE3_LIBRARY})
  set(HELIOS_BLAKE3_SYSTEM_LIBRARY blake3)
  return()
endif()

file(GLOB BLAKE3_CANDIDATES /usr/share/cargo/registry/blake3-*/c/blake3.c)
if(NOT BLAKE3_CANDIDATES)
  message(FATAL_ERROR "BLAKE3 not found: install libblake3-dev or librust-blake3-dev (scripts/setup does)")
endif()
list(GET BLAKE3_CANDIDATES -1 BLAKE3_MAIN)
get_filename_component(BLAKE3_DIR ${BLAKE3_MAIN} DIRECTORY)

set(BLAKE3_SOURCES ${BLAKE3_DIR}/blake3.c ${BLAKE3_DIR}/blake3_dispatch.c
                   ${BLAKE3_DIR}/blake3_portable.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
  enable_language(ASM)
  foreach(isa sse2 sse41 avx2 avx512)
    list(APPEND BLAKE3_SOURCES ${BLAKE3_DIR}/blake3_${isa}_x86-64_unix.S)
  endforeach()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  list(APPEND BLAKE3_SOURCES ${BLAKE3_DIR}/blake3_neon.c)
endif()
add_library(helios_blake3 OBJECT ${BLAKE3_SOURCES})
target_include_directories(helios_blake3 SYSTEM PUBLIC $<BUILD_INTERFACE:${BLAKE3_DIR}>)
set_target_properties(helios_blake3 PROPERTIES C_STANDARD 11 POSITION_INDEPENDENT_CODE ON)
target_compile_options(helios_blake3 PRIVATE -O3 -w)
target_compile_definitions(helios_blake3 PUBLIC HELIOS_BLAKE3_HAS_HASH_MANY=1)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  target_compile_definitions(helios_blake3 PUBLIC BLAKE3_USE_NEON=1)
endif()
