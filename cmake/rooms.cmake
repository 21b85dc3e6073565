# Rooms in the order of their dependencies: a room uses only rooms above it. A room's folder holds its
# room.cmake, which calls add_room.
find_package(Threads REQUIRED)

foreach(room base command_line codec crypto http jail policy sigv4 kms_client eif image machine virtio vmm
        nsm attestation attestation_library authority kms softhost enclave guest cli eif_build)
    if(EXISTS ${CMAKE_SOURCE_DIR}/src/${room}/room.cmake)
        include(${CMAKE_SOURCE_DIR}/src/${room}/room.cmake)
    endif()
endforeach()
