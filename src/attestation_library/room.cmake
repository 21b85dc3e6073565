# build/lib/libcasemate-attestation.so: the verifier with a C interface, for programs of relying
# parties. `cmake --install build --component attestation` installs it with its headers.
include(GNUInstallDirs)
set(exports ${CMAKE_CURRENT_LIST_DIR}/exports.map)
add_library(attestation_library SHARED ${CMAKE_CURRENT_LIST_DIR}/c_interface.cpp)
target_link_libraries(attestation_library PRIVATE casemate_attestation)
target_include_directories(attestation_library PUBLIC ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(attestation_library PRIVATE CASEMATE_VERSION="${PROJECT_VERSION}")
set_target_properties(attestation_library PROPERTIES
    OUTPUT_NAME casemate-attestation VERSION ${PROJECT_VERSION} SOVERSION 0
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON LINK_DEPENDS ${exports}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
target_link_options(attestation_library PRIVATE
    -Wl,--version-script=${exports} -Wl,--gc-sections -Wl,-z,relro,-z,now)
if(NOT CASEMATE_SANITIZE)
    target_link_options(attestation_library PRIVATE -Wl,--no-undefined)
endif()

# Where the prefix is, seen from the .pc file: the tree may be moved after it was installed.
file(RELATIVE_PATH ATTESTATION_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" ATTESTATION_PREFIX ${ATTESTATION_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/casemate-attestation.pc.in
    ${CMAKE_BINARY_DIR}/lib/pkgconfig/casemate-attestation.pc @ONLY)
install(TARGETS attestation_library COMPONENT attestation)
install(FILES ${CMAKE_SOURCE_DIR}/include/casemate/attestation.h
    ${CMAKE_SOURCE_DIR}/include/casemate/attestation.hpp
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/casemate COMPONENT attestation)
install(FILES ${CMAKE_BINARY_DIR}/lib/pkgconfig/casemate-attestation.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT attestation)
