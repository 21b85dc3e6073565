# add_room(NAME [PIC] [DIRECTORY path] [WITHOUT folder...] [DEPENDS room|library...]
#          [TEST_DEPENDS library...])
#
# A room is src/NAME, or src/DIRECTORY, without the folders that are rooms of their own: one static
# library casemate_NAME of its *.cpp, a test program NAME_tests of its *_test.cpp, and one translation
# unit for each header that has no *.cpp of its name, which proves that the header stands on its own
# (the others are included first by theirs: tools/lint).
# Tests link their room only, so a dependency that is not declared does not link. PIC compiles the
# room so that it can be part of a shared library.
function(add_room name)
    cmake_parse_arguments(ROOM "PIC" "DIRECTORY" "WITHOUT;DEPENDS;TEST_DEPENDS" ${ARGN})
    set(directory ${CMAKE_SOURCE_DIR}/src/${name})
    if(ROOM_DIRECTORY)
        set(directory ${CMAKE_SOURCE_DIR}/src/${ROOM_DIRECTORY})
    endif()
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${directory}/*.cpp)
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${directory}/*.hpp)
    foreach(folder ${ROOM_WITHOUT})
        list(FILTER sources EXCLUDE REGEX "^${directory}/${folder}/")
        list(FILTER headers EXCLUDE REGEX "^${directory}/${folder}/")
    endforeach()
    set(tests ${sources})
    list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
    list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")

    if(NOT sources)
        message(WARNING "room ${name} has no sources")
        add_library(casemate_${name} INTERFACE)
        return()
    endif()
    add_library(casemate_${name} STATIC ${sources})
    target_link_libraries(casemate_${name} PUBLIC casemate_options ${ROOM_DEPENDS})
    set_target_properties(casemate_${name} PROPERTIES POSITION_INDEPENDENT_CODE ${ROOM_PIC})

    if(NOT CASEMATE_TESTS)
        list(FILTER headers EXCLUDE REGEX "_for_test\\.hpp$")
    endif()
    if(CASEMATE_CHECK_HEADERS AND headers)
        set(units)
        foreach(header ${headers})
            string(REGEX REPLACE "\\.hpp$" ".cpp" own ${header})
            if(EXISTS ${own})
                continue()
            endif()
            file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR}/src ${header})
            string(REPLACE "/" "_" unit ${relative})
            set(unit ${CMAKE_BINARY_DIR}/headers/${unit}.cpp)
            file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"${relative}\"\n")
            list(APPEND units ${unit})
        endforeach()
        if(units)
            add_library(${name}_headers OBJECT ${units})
            target_link_libraries(${name}_headers PRIVATE casemate_${name})
            if(CASEMATE_TESTS)
                # For the headers of tests.
                target_link_libraries(${name}_headers PRIVATE casemate_test_paths)
            endif()
        endif()
    endif()

    if(CASEMATE_TESTS AND tests)
        add_executable(${name}_tests ${tests})
        target_link_libraries(${name}_tests PRIVATE casemate_${name} ${ROOM_TEST_DEPENDS}
            casemate_test_paths GTest::gmock GTest::gtest_main)
        # Optimizing GoogleTest's templates takes a third of their compilation and speeds up nothing:
        # what is tested is in the room. Fortified functions want optimization.
        target_compile_options(${name}_tests PRIVATE -O0 -U_FORTIFY_SOURCE)
        # A test spends most of its compilation in GoogleTest's headers: several files share one reading
        # of them, so names in their anonymous namespaces have to differ within a room.
        set_target_properties(${name}_tests PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
        gtest_discover_tests(${name}_tests TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60
            PROPERTIES LABELS unit TIMEOUT 120)
    endif()
endfunction()

# add_program(NAME room|library... [STATIC]): programs/NAME.cpp as build/bin/casemate-NAME, or
# build/bin/casemate for NAME casemate. STATIC links everything in, C library included.
function(add_program name)
    cmake_parse_arguments(PROGRAM "STATIC" "" "" ${ARGN})
    string(REPLACE "_" "-" output ${name})
    add_executable(program_${name} ${CMAKE_SOURCE_DIR}/programs/${name}.cpp)
    set_target_properties(program_${name} PROPERTIES
        OUTPUT_NAME ${output} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
    target_link_libraries(program_${name} PRIVATE casemate_options ${PROGRAM_UNPARSED_ARGUMENTS})
    add_dependencies(programs program_${name})
    install(TARGETS program_${name} RUNTIME DESTINATION bin COMPONENT host)
    if(PROGRAM_STATIC AND NOT CASEMATE_SANITIZE)
        target_link_options(program_${name} PRIVATE -static)
    endif()
endfunction()
