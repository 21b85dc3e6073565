# The client of KMS: a room of its own, for it has exceptions, OpenSSL and Boost beneath it.
add_room(guest_kms PIC DIRECTORY guest/kms
    DEPENDS casemate_base casemate_codec casemate_crypto casemate_http casemate_sigv4 casemate_kms_client
        nsm_static
    TEST_DEPENDS casemate_attestation OpenSSL::SSL)
target_include_directories(casemate_guest_kms PUBLIC ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(casemate_guest_kms PRIVATE CASEMATE_VERSION="${PROJECT_VERSION}")

# What goes into an image has all in it, down to the C library. In KMS_ARCHIVES by file and in the
# order of their use: the targets themselves bring the shared libraries.
find_library(CASEMATE_STATIC_SSL libssl.a REQUIRED)
find_library(CASEMATE_STATIC_CRYPTO libcrypto.a REQUIRED)
find_library(CASEMATE_STATIC_JSON libboost_json.a REQUIRED)
find_library(CASEMATE_STATIC_CONTAINER libboost_container.a REQUIRED)
set(KMS_ROOMS casemate_guest_kms casemate_kms_client casemate_http casemate_sigv4 casemate_crypto casemate_codec
    casemate_base nsm_static)
set(KMS_ARCHIVES)
foreach(room ${KMS_ROOMS})
    list(APPEND KMS_ARCHIVES $<TARGET_FILE:${room}>)
endforeach()
list(APPEND KMS_ARCHIVES ${CASEMATE_STATIC_JSON} ${CASEMATE_STATIC_CONTAINER}
    ${CASEMATE_STATIC_SSL} ${CASEMATE_STATIC_CRYPTO})
if(CASEMATE_SANITIZE)
    # None of it can have sanitizers.
    return()
endif()

# build/lib/libcasemate-kms.so: the client with a C interface, for programs inside enclaves in any
# language. `cmake --install build --component guest` installs it with its headers.
include(GNUInstallDirs)
set(kms_exports ${CMAKE_CURRENT_LIST_DIR}/kms.map)
add_library(kms_shared SHARED ${CMAKE_CURRENT_LIST_DIR}/c_interface.cpp)
target_include_directories(kms_shared PUBLIC ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(kms_shared PRIVATE CASEMATE_VERSION="${PROJECT_VERSION}")
target_link_libraries(kms_shared PRIVATE casemate_options ${KMS_ARCHIVES})
add_dependencies(kms_shared ${KMS_ROOMS})
set_target_properties(kms_shared PROPERTIES
    OUTPUT_NAME casemate-kms VERSION ${PROJECT_VERSION} SOVERSION 0
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON LINK_DEPENDS ${kms_exports}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
target_link_options(kms_shared PRIVATE -s -static-libstdc++ -static-libgcc
    -Wl,--version-script=${kms_exports} -Wl,--gc-sections -Wl,--no-undefined -Wl,-z,relro,-z,now)

# Where the prefix is, seen from the .pc file: the tree may be moved after it was installed.
file(RELATIVE_PATH KMS_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" KMS_PREFIX ${KMS_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/casemate-kms.pc.in
    ${CMAKE_BINARY_DIR}/lib/pkgconfig/casemate-kms.pc @ONLY)
install(TARGETS kms_shared COMPONENT guest)
install(FILES ${CMAKE_SOURCE_DIR}/include/casemate/kms.h ${CMAKE_SOURCE_DIR}/include/casemate/kms.hpp
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/casemate COMPONENT guest)
install(FILES ${CMAKE_BINARY_DIR}/lib/pkgconfig/casemate-kms.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT guest)
install(FILES ${CMAKE_SOURCE_DIR}/src/guest/python/casemate_kms.py
    DESTINATION ${CMAKE_INSTALL_DATADIR}/casemate/python COMPONENT guest)
