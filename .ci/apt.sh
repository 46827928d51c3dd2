# Sourced by .ci/need and .ci/environment: installs a Debian package as root or by passwordless sudo.

install_package() {
    local as_root=()
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get install --yes --no-install-recommends "$1")
    # The lists of a fresh machine may be missing or stale: update them only when needed.
    "${install[@]}" >/dev/null 2>&1 && return 0
    "${as_root[@]}" apt-get update --quiet --quiet && "${install[@]}" >/dev/null
}
