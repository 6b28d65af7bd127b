# A BLAS with the C interface: OpenBLAS, or else a library called cblas or blas that comes with cblas.h.
#
#   CBLAS::CBLAS                        the target to link
#   CBLAS_LIBRARY, CBLAS_INCLUDE_DIR    cache entries, to point it elsewhere
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_OPENBLAS QUIET openblas)
endif()

find_library(CBLAS_LIBRARY NAMES openblas cblas blas PATHS ${PC_OPENBLAS_LIBRARY_DIRS})
find_path(CBLAS_INCLUDE_DIR cblas.h PATHS ${PC_OPENBLAS_INCLUDE_DIRS} PATH_SUFFIXES openblas)
mark_as_advanced(CBLAS_LIBRARY CBLAS_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CBLAS REQUIRED_VARS CBLAS_LIBRARY CBLAS_INCLUDE_DIR)

if(CBLAS_FOUND AND NOT TARGET CBLAS::CBLAS)
  add_library(CBLAS::CBLAS UNKNOWN IMPORTED)
  set_target_properties(CBLAS::CBLAS PROPERTIES IMPORTED_LOCATION "${CBLAS_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${CBLAS_INCLUDE_DIR}")
endif()
