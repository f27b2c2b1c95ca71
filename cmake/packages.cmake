# Debian packages, by `cpack` in the build folder: the program, its modules with the libraries that
# each needs (libtorch; libpng and libjpeg-turbo), the library, and what is needed to build with it.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME aether2onnx)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR "aether2onnx")
set(CPACK_PACKAGE_CONTACT "The aether2onnx authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION graphics)

set(this_version "(= ${PROJECT_VERSION})")
set(library_package libaether2onnx${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(CPACK_COMPONENTS_ALL program)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME aether2onnx)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS
    "aether2onnx-pictures ${this_version}, aether2onnx-pytorch ${this_version}")
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
    "The program, with its manual page and completion for bash, zsh and fish.")

if(TARGET aether2onnx_pictures)
  list(APPEND CPACK_COMPONENTS_ALL pictures)
  set(CPACK_DEBIAN_PICTURES_PACKAGE_NAME aether2onnx-pictures)
  set(CPACK_DEBIAN_PICTURES_PACKAGE_DEPENDS "aether2onnx ${this_version}")
  set(CPACK_COMPONENT_PICTURES_DESCRIPTION
      "Reads PNG and JPEG files for the program (verify --verify_images).")
endif()
if(TARGET aether2onnx_torch)
  list(APPEND CPACK_COMPONENTS_ALL pytorch)
  set(CPACK_DEBIAN_PYTORCH_PACKAGE_NAME aether2onnx-pytorch)
  set(CPACK_DEBIAN_PYTORCH_PACKAGE_DEPENDS "aether2onnx ${this_version}")
  set(CPACK_DEBIAN_PYTORCH_PACKAGE_RECOMMENDS libopenblas0-pthread)
  set(CPACK_COMPONENT_PYTORCH_DESCRIPTION
      "Lets PyTorch compute the reference of a verification.
 Without this package, the program computes the reference itself.")
endif()

list(APPEND CPACK_COMPONENTS_ALL development)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libaether2onnx-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
    "The header, and what CMake and pkg-config need to find the library.")
if(BUILD_SHARED_LIBS)
  list(APPEND CPACK_COMPONENTS_ALL library)
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${library_package})
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
  set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "The library, for programs that use it.")
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${library_package} ${this_version}")
endif()

# Debian's place for the license of each package.
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE COMPONENT program RENAME copyright
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/aether2onnx)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE COMPONENT development RENAME copyright
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libaether2onnx-dev)
if(BUILD_SHARED_LIBS)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE COMPONENT library RENAME copyright
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${library_package})
endif()
if(TARGET aether2onnx_verify)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE COMPONENT verify RENAME copyright
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/aether2onnx-verify)
endif()

include(CPack)
