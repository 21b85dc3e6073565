# The Debian packages that building, running and testing Casemate needs.
# Sourced by the other tools; each list says what it is for.

# Compilers, build system, formatting and analysis.
build_packages=(
    g++ cmake ninja-build ccache pkg-config
    clang clang-format clang-tidy libclang-rt-14-dev
)

# Libraries.
library_packages=(
    libboost1.81-dev libboost-json1.81-dev libcli11-dev libseccomp-dev libyaml-cpp-dev
    libisal-dev libpq-dev libsqlite3-dev libssl-dev libzstd-dev zlib1g-dev
)

# The guest kernel is built from Debian's kernel source.
kernel_packages=(
    bc bison cpio flex libelf-dev make rsync xz-utils
)

# Enclaves without hardware virtualization run in QEMU's emulated machine. The authority's keys can
# be a token's, through OpenSSL's engine for PKCS #11.
run_packages=(
    libengine-pkcs11-openssl python3 qemu-system-x86
)

# Container images of the samples, and what only the tests use.
test_packages=(
    acpica-tools awscli buildah docker-registry libbenchmark-dev libgmock-dev libgtest-dev mandoc
    mmdebstrap opensc openssl podman postgresql python3-botocore python3-cbor2 python3-cryptography
    skopeo softhsm2 zsh zstd
)

# One of the verifiers by others that judge Casemate's documents is a package of npm's, and AWS's SDKs
# that speak to the KMS are. Any node and npm on the PATH will do, for the SDKs of version 20 or newer;
# these are several hundred packages.
node_packages=(
    nodejs npm
)
