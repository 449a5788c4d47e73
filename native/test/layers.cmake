# The layer rules of the native code, as a test: the core knows no Node, and what is lower knows nothing of what is higher.
# A core that broke them could no longer be built and tested alone, nor serve a daemon in another language.
# Run by CTest: cmake -DROOT=<folder with native/> -P layers.cmake

set(violations 0)

# Fails every file under native/<folder>/ that includes a header whose name matches `pattern`.
function(forbid folder pattern)
  file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/native/${folder}/*.[chS] ${ROOT}/native/${folder}/*.inc)
  foreach(file ${files})
    file(STRINGS ${ROOT}/${file} lines REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"](${pattern})")
    foreach(line ${lines})
      message("${file}: forbidden in native/${folder}: ${line}")
      math(EXPR violations "${violations} + 1")
    endforeach()
  endforeach()
  set(violations ${violations} PARENT_SCOPE)
endfunction()

foreach(folder include core digest chunk io store test)
  forbid(${folder} "node|napi|js_native_api|uv[.]h|uv/|v8|(.*/)?addon/")
endforeach()
forbid(core "digest/|chunk/|io/|store/")
forbid(digest "chunk/|io/|store/")
forbid(chunk "io/|store/")
forbid(io "digest/|chunk/|store/")

if(violations)
  message(FATAL_ERROR "${violations} forbidden includes in the native core; see docs/architecture.md")
endif()
