"JouliaKernels on NVIDIA GPUs, loaded where CUDA.jl is."
module JouliaKernelsCUDAExt

using CUDA: CUDA, CUDABackend
using JouliaKernels: JouliaKernels, OneCell

function JouliaKernels.device(::Val{:cuda})
    CUDA.functional(true)  # raises, with the reason, where the GPU cannot be used
    return OneCell(CUDABackend())
end

JouliaKernels.toolkit(::Val{:cuda}) = CUDA.runtime_version()

end
