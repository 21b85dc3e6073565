# Boost.JSON reads and writes policies, in document.cpp alone.
find_package(Boost 1.81 REQUIRED COMPONENTS json)
add_room(policy DEPENDS casemate_base casemate_codec Boost::json)
# These have casts of their own, by the same names: compiled apart (cmake/room.cmake).
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/policy_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/principal_test.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
