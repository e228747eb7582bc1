# Compiles `source` and passes if that fails with a message that matches its first line, // expect: REGEX
file(STRINGS "${source}" first LIMIT_COUNT 1)
if(NOT first MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "${source} must begin with a line '// expect: REGEX'")
endif()
set(expected "${CMAKE_MATCH_1}")
list(TRANSFORM includes PREPEND -I)
execute_process(COMMAND "${compiler}" -std=c++20 -fsyntax-only ${includes} "${source}"
                RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(code EQUAL 0)
  message(FATAL_ERROR "${source} compiles, but must not")
elseif(NOT output MATCHES "${expected}")
  message(FATAL_ERROR "${source} fails to compile without the message '${expected}':\n${output}")
endif()
