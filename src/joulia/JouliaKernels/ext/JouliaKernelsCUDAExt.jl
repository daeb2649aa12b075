"NVIDIA GPUs through CUDA.jl: the same kernels, a work-item a cell."
module JouliaKernelsCUDAExt

using CUDA: CUDA, CUDABackend
using JouliaKernels: JouliaKernels, OneCell

JouliaKernels.gpu(::Val{:cuda}) = OneCell(CUDABackend())

end
