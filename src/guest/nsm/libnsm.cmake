# build/lib/libnsm.so and libnsm.a: what programs inside enclaves link with -lnsm. Their sources are
# compiled here once more, position-independent, never with sanitizers, and so that neither library
# needs the C++ library: cc links both.
include(GNUInstallDirs)
# The version of AWS's library whose interface this is; its soname is libnsm.so.0.
set(LIBNSM_VERSION 0.5.1)
file(GLOB nsm_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cpp)
list(FILTER nsm_sources EXCLUDE REGEX "_test\\.cpp$")
get_target_property(nsm_options casemate_options INTERFACE_COMPILE_OPTIONS)
list(FILTER nsm_options EXCLUDE REGEX "sanitize")
add_library(nsm_objects OBJECT ${nsm_sources})
target_include_directories(nsm_objects PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
# The C++ library's own assertions call into it.
target_compile_options(nsm_objects PRIVATE ${nsm_options} -fno-exceptions -fno-rtti
    -ffunction-sections -fdata-sections -fvisibility=hidden
    -U_GLIBCXX_ASSERTIONS -D_GLIBCXX_NO_ASSERTIONS)
set_target_properties(nsm_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)

foreach(kind SHARED STATIC)
    string(TOLOWER nsm_${kind} library)
    add_library(${library} ${kind} $<TARGET_OBJECTS:nsm_objects>)
    target_include_directories(${library} INTERFACE ${CMAKE_SOURCE_DIR}/include)
    set_target_properties(${library} PROPERTIES OUTPUT_NAME nsm LINKER_LANGUAGE C
        ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
endforeach()
set_target_properties(nsm_shared PROPERTIES VERSION ${LIBNSM_VERSION} SOVERSION 0
    LINK_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/libnsm.map)
target_link_options(nsm_shared PRIVATE -Wl,--version-script=${CMAKE_CURRENT_LIST_DIR}/libnsm.map
    -Wl,--no-undefined -Wl,--gc-sections)

# Where the prefix is, seen from libnsm.pc: the tree may be moved after it was installed.
file(RELATIVE_PATH LIBNSM_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" LIBNSM_PREFIX ${LIBNSM_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/libnsm.pc.in
    ${CMAKE_BINARY_DIR}/lib/pkgconfig/libnsm.pc @ONLY)
install(TARGETS nsm_shared nsm_static COMPONENT guest)
install(FILES ${CMAKE_SOURCE_DIR}/include/nsm.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    COMPONENT guest)
install(FILES ${CMAKE_SOURCE_DIR}/include/casemate/nsm.hpp
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/casemate COMPONENT guest)
install(FILES ${CMAKE_BINARY_DIR}/lib/pkgconfig/libnsm.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT guest)
install(FILES ${CMAKE_SOURCE_DIR}/src/guest/python/casemate_nsm.py
    DESTINATION ${CMAKE_INSTALL_DATADIR}/casemate/python COMPONENT guest)
