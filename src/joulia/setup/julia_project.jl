# julia --project=PROJECT julia_project.jl FOLDER PACKAGE OWN: what a bundle needs of a project.
#
# Writes Project.toml and Manifest.toml into FOLDER, with the path of each package below PACKAGE
# (relative to FOLDER) in place of what a registry would say; prints the packages as TOML. OWN is the
# UUID of a package that is left out, wherever it is named.

import Pkg, TOML
using Artifacts: select_downloadable_artifacts

const FOLDER, PACKAGES, OWN = ARGS

"Keys of a manifest's entry that say where a package comes from."
const ORIGIN = ("git-tree-sha1", "repo-url", "repo-rev", "repo-subdir", "pinned", "path", "registries")

"Keys of a project that say where its packages are, or that it is a package itself."
const PLACE = ("name", "uuid", "version", "authors", "sources", "workspace", "entryfile", "path")

# A standard library is what lies with Julia itself: a newer version of one may come from a registry.
function with_julia(source)
    folder = dirname(source)
    return isdir(folder) && realpath(folder) == realpath(Sys.STDLIB)
end

"The tree hashes of the artifacts that a package has on this platform whatever it is used for."
function needed(source)
    isfile(joinpath(source, ".pkg", "select_artifacts.jl")) && return String[]
    for name in ("JuliaArtifacts.toml", "Artifacts.toml")
        file = joinpath(source, name)
        isfile(file) || continue
        return [meta["git-tree-sha1"] for meta in values(select_downloadable_artifacts(file))]
    end
    return String[]
end

packages = Dict{String,Any}()
for (uuid, package) in Pkg.dependencies()
    string(uuid) == OWN && continue
    source = something(package.source, "")
    with_julia(source) && continue
    packages[string(uuid)] = Dict(
        "name" => package.name,
        "version" => string(something(package.version, "")),
        "source" => source,
        "to" => "$(package.name)/$(first(string(uuid), 8))",
        "needed" => needed(source),
    )
end

project_file = Base.active_project()
project = TOML.parsefile(project_file)
foreach(key -> delete!(project, key), PLACE)
direct = get(project, "deps", Dict{String,Any}())
own_names = [name for (name, uuid) in direct if uuid == OWN]
for section in ("deps", "compat", "preferences"), name in own_names
    haskey(project, section) && delete!(project[section], name)
end

manifest_file = Base.project_file_manifest_path(project_file)
manifest = TOML.parsefile(manifest_file)
# Manifests of the first format have their packages at the top.
listed = haskey(manifest, "manifest_format") ? get(manifest, "deps", Dict{String,Any}()) : manifest
deps = Dict{String,Any}()
for (name, entries) in listed
    kept = filter(entry -> entry["uuid"] != OWN, entries)
    isempty(kept) && continue
    for entry in kept
        package = get(packages, entry["uuid"], nothing)
        package === nothing && continue
        foreach(key -> delete!(entry, key), ORIGIN)
        entry["path"] = "$PACKAGES/$(package["to"])"
    end
    deps[name] = kept
end
written = Dict(
    "julia_version" => string(VERSION),
    "manifest_format" => get(manifest, "manifest_format", "2.0"),
    "deps" => deps,
)

mkpath(FOLDER)
open(io -> TOML.print(io, project; sorted = true), joinpath(FOLDER, "Project.toml"); write = true)
open(io -> TOML.print(io, written; sorted = true), joinpath(FOLDER, "Manifest.toml"); write = true)
TOML.print(
    Dict(
        "julia" => "$(VERSION.major).$(VERSION.minor)",
        "machine" => "$(Sys.KERNEL)-$(Sys.ARCH)",
        "depots" => map(abspath, DEPOT_PATH),
        "packages" => packages,
    ),
)
