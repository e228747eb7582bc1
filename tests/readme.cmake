# README.md shows examples/readme.cpp to the letter, and what it prints:
#   cmake -Dfolder=PROJECT -Dprogram=PROGRAM -P readme.cmake
file(READ "${folder}/README.md" readme)
file(READ "${folder}/examples/readme.cpp" source)
string(FIND "${readme}" "${source}" place)
if(place EQUAL -1)
  message(FATAL_ERROR "README.md does not show examples/readme.cpp as it is")
endif()
execute_process(COMMAND "${program}" WORKING_DIRECTORY "${folder}" OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
# All but the last two lines, which hold numbers at rounding.
string(REGEX MATCH "^(.*\nstatus converged)" printed "${printed}")
string(REGEX REPLACE "\n" "\n    " printed "    ${printed}")
string(FIND "${readme}" "${printed}" place)
if(place EQUAL -1)
  message(FATAL_ERROR "README.md does not show what examples/readme.cpp prints:\n${printed}")
endif()
