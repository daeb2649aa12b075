"""
A stand-in for CUDA.jl whose GPU is KernelAbstractions' processor: what JouliaKernels' extension and
joulia's bridge use of it. `FAKE_CUDA_JL_FAULT` makes it say that it does not work,
`FAKE_CUDA_JL_RUNTIME` sets its CUDA version. `FAKE_CUDA_JL_MUTATION` names a file, a text in it and
another, tab-separated: the file is read into JouliaKernels with the one in place of the other.
"""
module CUDA

using KernelAbstractions: CPU

CUDABackend() = CPU(; static = true)

function functional(show_reason::Bool = false)
    fault = get(ENV, "FAKE_CUDA_JL_FAULT", "")
    show_reason && fault != "" && error(fault)
    take_context()
    haskey(ENV, "FAKE_CUDA_JL_MUTATION") && mutate(split(ENV["FAKE_CUDA_JL_MUTATION"], '\t')...)
    return fault == ""
end

"As CUDA.jl does, make the primary context that of the thread."
function take_context()
    context = Ref{Ptr{Cvoid}}(C_NULL)
    @ccall "libcuda.so.1".cuInit(0::Cuint)::Cint
    @ccall "libcuda.so.1".cuDevicePrimaryCtxRetain(context::Ptr{Ptr{Cvoid}}, 0::Cint)::Cint
    @ccall "libcuda.so.1".cuCtxSetCurrent(context[]::Ptr{Cvoid})::Cint
end

runtime_version() = VersionNumber(get(ENV, "FAKE_CUDA_JL_RUNTIME", "12.4"))

function mutate(path, old, new)
    text = read(path, String)
    occursin(old, text) || error("no $old in $path")
    package = Base.root_module(Base.PkgId(
        Base.UUID("6f1c7c3e-3a55-4f0b-9f0e-6a6f756c6961"), "JouliaKernels"))
    # What the file includes lies beside it.
    task_local_storage(:SOURCE_PATH, String(path)) do
        Base.include_string(package, replace(text, old => new), path)
    end
end

end
