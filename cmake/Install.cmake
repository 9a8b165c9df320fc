# What `cmake --install` lays down: the program, the static library, the public headers, and what leads
# a consumer to them: a CMake package and helios.pc. With RocksDB also the library of that backend, to
# be loaded by the program and to be linked (component rocksdb of the package). Nothing in it names a folder of this machine, so
# that an installed tree can be moved.
#
# The consumer's machine is asked for the libraries in HELIOS_SYSTEM_LIBRARIES (names as in -lNAME),
# which the static library needs; what we compile ourselves is inside it.
include(CMakePackageConfigHelpers)
set(HELIOS_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/helios)

install(TARGETS helios_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS helios EXPORT heliosTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(HELIOS_WITH_ROCKSDB)
  install(TARGETS helios_rocksdb_loaded LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/helios)
  install(TARGETS helios_rocksdb EXPORT heliosRocksdbTargets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT heliosRocksdbTargets NAMESPACE helios:: DESTINATION ${HELIOS_PACKAGE_DIR}
          FILE helios-rocksdb-targets.cmake)
  install(FILES cmake/helios-rocksdb.cmake DESTINATION ${HELIOS_PACKAGE_DIR})
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/helios DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")

# Semantic versioning: before 1.0 a new minor version may break what was.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(HELIOS_COMPATIBILITY SameMinorVersion)
else()
  set(HELIOS_COMPATIBILITY SameMajorVersion)
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/heliosConfigVersion.cmake
                                 COMPATIBILITY ${HELIOS_COMPATIBILITY})
configure_package_config_file(cmake/heliosConfig.cmake.in ${PROJECT_BINARY_DIR}/heliosConfig.cmake
                              INSTALL_DESTINATION ${HELIOS_PACKAGE_DIR}
                              NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
install(FILES ${PROJECT_BINARY_DIR}/heliosConfig.cmake ${PROJECT_BINARY_DIR}/heliosConfigVersion.cmake
        DESTINATION ${HELIOS_PACKAGE_DIR})
install(EXPORT heliosTargets NAMESPACE helios:: DESTINATION ${HELIOS_PACKAGE_DIR})

file(RELATIVE_PATH HELIOS_PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
                                        ${CMAKE_INSTALL_FULL_INCLUDEDIR})
list(TRANSFORM HELIOS_SYSTEM_LIBRARIES PREPEND -l OUTPUT_VARIABLE HELIOS_PC_LIBRARIES)
list(JOIN HELIOS_PC_LIBRARIES " " HELIOS_PC_LIBRARIES)
configure_file(cmake/helios.pc.in ${PROJECT_BINARY_DIR}/helios.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/helios.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
