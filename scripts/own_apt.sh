# To be sourced: apt with lists and a cache of its own in $work, so that packages and sources which this
# system doesn't have configured can be downloaded from the mirror that it uses. Nothing is installed.

# own_apt_update TYPE SUITE: TYPE is "deb" or "deb-src".
own_apt_update() {
  repository=$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(IDENTIFIER) $(CODENAME) $(REPO_URI)' |
    awk '$1 == "Debian" && $2 == "main" && $3 == "Packages" && $4 !~ /-/ { print $5; exit }')
  [ -n "$repository" ] || return 1
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  echo "$1 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $repository $2 main" \
    > "$work/sources.list"
  own_apt update
}

own_apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}
