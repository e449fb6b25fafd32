complete -c discnt-server -l config -d 'Read settings from this TOML file. Without it no file is read; the service passes /etc/discnt/discnt.toml' -r -F
complete -c discnt-server -l port -d 'TCP port for clients and UDP port for other nodes: resp.port and mesh.port; 0 lets the system choose' -r
complete -c discnt-server -l bind -d 'IP address to listen on, for clients and for other nodes: resp.bind and mesh.bind' -r
complete -c discnt-server -l data-dir -d 'Where this node keeps its key and what it remembers: storage.data_dir [default: ./discnt-data/PORT]' -r -F
complete -c discnt-server -l certs-dir -d 'Where the development authority is kept: mesh.certs_dir [default: ./certs/dev]' -r -F
complete -c discnt-server -l restore -d 'Begin with the counters of a backup that `discnt-cli backup` made; the data directory must have none' -r -F
complete -c discnt-server -l set -d 'Set any key of the configuration; may be repeated' -r
complete -c discnt-server -l check-config -d 'Say whether the configuration is valid, then exit: 0 if it is, 1 if not'
complete -c discnt-server -l repair -d 'Set aside what is damaged of the counters in the data directory, save what can still be read of them, say what was lost and what to do next, then exit. Deletes nothing, and changes nothing where nothing is damaged'
complete -c discnt-server -l print-config -d 'Print the configuration in effect as TOML, with where each value came from, then exit'
complete -c discnt-server -s h -l help -d 'Print help (see more with \'--help\')'
complete -c discnt-server -s V -l version -d 'Print version'
