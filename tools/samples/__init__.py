"""`./dev samples FOLDER`: NVIDIA's cuda-samples on the simulated GPU, straight on its driver and through the product.

`recipe` reads what a sample's CMakeLists.txt says, `build` compiles it to PTX and host code, `run` runs it both ways, `report` writes the
table. The samples themselves are not part of this project.
"""
