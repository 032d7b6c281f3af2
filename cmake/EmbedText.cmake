# Run as a script: writes OUTPUT, a C++ source with the text of each of FILES as a std::string_view of NAMESPACE that is
# called as the file, its dots underscores.
#
#   cmake -DOUTPUT=page_text.cc -DNAMESPACE=gossamer::tools::page -DFILES=page.html,page.css -P EmbedText.cmake
string(REPLACE "," ";" FILES "${FILES}")
set(source "#include <string_view>\n\nnamespace ${NAMESPACE} {\n")
foreach(file ${FILES})
  get_filename_component(name "${file}" NAME)
  string(REPLACE "." "_" name "${name}")
  file(READ "${file}" content)
  string(FIND "${content}" ")embedded\"" found)
  if(NOT found EQUAL -1)
    message(FATAL_ERROR "${file} contains )embedded\", which ends the literal that it would become")
  endif()
  string(APPEND source "\nextern const std::string_view ${name};\nconst std::string_view ${name} = R\"embedded(${content})embedded\";\n")
endforeach()
file(WRITE "${OUTPUT}" "${source}\n}  // namespace ${NAMESPACE}\n")
