
use builtin;
use str;

set edit:completion:arg-completer[pulldoctor] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'pulldoctor'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'pulldoctor'= {
            cand --color 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured'
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand diagnose 'Find every pod that waits for an image, and say why'
            cand probe 'Ask the registry for an image, stage by stage, with the credentials of your choice'
            cand isolate 'Tell an image''s fault from a node''s: pull the image elsewhere, and good images where it fails'
            cand explain 'Explain a cause, or read a pasted error message'
            cand demo 'Replay recorded cases, and probe registries with a fault, without a cluster'
            cand completions 'Print the completions of a shell'
            cand __complete 'Complete a command line in the way that kubectl asks its plugins'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'pulldoctor;diagnose'= {
            cand -n 'The namespace; the context''s own where none is given'
            cand --namespace 'The namespace; the context''s own where none is given'
            cand -l 'Only pods with these labels, `app=api,tier!=test` for instance'
            cand --selector 'Only pods with these labels, `app=api,tier!=test` for instance'
            cand --context 'The kubeconfig context'
            cand --kubeconfig 'The kubeconfig file; KUBECONFIG where none is given'
            cand --as 'The user to impersonate in the cluster'
            cand --as-group 'A group to impersonate; may be given several times'
            cand --request-timeout 'How long one request to the cluster may take: `30s`, `2m`; 0 for no limit'
            cand --probe-timeout 'How long one question to a registry may take, three times that where layers are read: `30s`, `2m`'
            cand --max-probes 'How many images are asked for at most'
            cand --allow-realm 'A token service on another domain than the registry''s that may get credentials; may be given several times'
            cand --ca-file 'A file with certificate authorities (PEM) that registries are trusted by, beside those of the system, or of SSL_CERT_FILE and SSL_CERT_DIR; may be given several times'
            cand --probe-namespace 'The namespace for the pods that look from nodes; the first that admits the host''s network where none is given'
            cand -o 'human, json, yaml, or ndjson (one JSON object a line)'
            cand --output 'human, json, yaml, or ndjson (one JSON object a line)'
            cand --record 'Write all that was seen to a file, to be replayed with `--bundle`; it holds no secret'
            cand --bundle 'Judge what was recorded instead of a cluster: a file of `--record`, or the output of `kubectl get … -o yaml|json` as a file, a folder of such files, or `-` for standard input; no registry is asked'
            cand --runtime-log 'A log of a node''s kubelet or runtime to look for the waiting images in, as journalctl or the program itself writes it, or `-` for standard input; `NODE=FILE` where its lines do not name their computer; may be given several times'
            cand --color 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured'
            cand -A 'All namespaces'
            cand --all-namespaces 'All namespaces'
            cand --offline 'Ask no registry'
            cand --node-view 'Ask the nodes themselves what decides: creates pods from images that are there already, for about two seconds each, and lets the kubelet try pulls'
            cand --explain-access 'Show what would be created for it and which rights that needs; create nothing'
            cand -v 'Show whole messages, every pod and every workload'
            cand --verbose 'Show whole messages, every pod and every workload'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'pulldoctor;probe'= {
            cand --credentials 'Whose logins are tried: pod/NAME, sa/NAME or secret/NAME (pull secrets of the cluster, as the kubelet takes them), user (what docker and podman find on this machine), or anonymous'
            cand -n 'The namespace of the pod, service account or secret; the context''s own where none is given'
            cand --namespace 'The namespace of the pod, service account or secret; the context''s own where none is given'
            cand --platform 'The platform to look for; that of the pod''s node, or this machine''s architecture on Linux, where none is given'
            cand --from 'here, node/NAME (as the node sees it, also where it can pull nothing) or namespace/NAME (as its pods see it, under its network policies); the last two create a pod that lives for about two seconds, from an image that is on the node, and that holds no credential'
            cand --probe-namespace 'The namespace for a pod that looks from a node; the first that admits the host''s network where none is given'
            cand --probe-timeout 'How long it may take: `30s`, `2m`; a minute where nothing is said, and as long as it takes where layers are read'
            cand --allow-realm 'A token service on another domain than the registry''s that may get credentials; may be given several times'
            cand --ca-file 'A file with certificate authorities (PEM) that registries are trusted by, beside those of the system, or of SSL_CERT_FILE and SSL_CERT_DIR; may be given several times'
            cand --context 'The kubeconfig context'
            cand --kubeconfig 'The kubeconfig file; KUBECONFIG where none is given'
            cand --as 'The user to impersonate in the cluster'
            cand --as-group 'A group to impersonate; may be given several times'
            cand --request-timeout 'How long one request to the cluster may take: `30s`, `2m`; 0 for no limit'
            cand -o 'human, json or yaml'
            cand --output 'human, json or yaml'
            cand --color 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured'
            cand --verify-layers 'Read all layers and verify them: digest, size, compression, archive and diff ID'
            cand --explain-access 'Show what would be created for it and which rights that needs; create nothing'
            cand -v 'Show what became of every credential, and the number of requests'
            cand --verbose 'Show what became of every credential, and the number of requests'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'pulldoctor;isolate'= {
            cand --node 'A node to look at, without a pod'
            cand --known-good 'An image that is known to be good, to be pulled on the node; chosen from what the cluster runs where none is given'
            cand -n 'The namespace; the context''s own where none is given'
            cand --namespace 'The namespace; the context''s own where none is given'
            cand --probe-namespace 'The namespace for the pods that look from nodes; the first that admits the host''s network where none is given'
            cand --allow-realm 'A token service on another domain than the registry''s that may get credentials; may be given several times'
            cand --ca-file 'A file with certificate authorities (PEM) that registries are trusted by, beside those of the system, or of SSL_CERT_FILE and SSL_CERT_DIR; may be given several times'
            cand --context 'The kubeconfig context'
            cand --kubeconfig 'The kubeconfig file; KUBECONFIG where none is given'
            cand --as 'The user to impersonate in the cluster'
            cand --as-group 'A group to impersonate; may be given several times'
            cand --request-timeout 'How long one request to the cluster may take: `30s`, `2m`; 0 for no limit'
            cand -o 'human, json or yaml'
            cand --output 'human, json or yaml'
            cand --color 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured'
            cand --explain-access 'Show what would be created for it and which rights that needs; create nothing'
            cand -v 'Show what became of every credential, and the number of requests'
            cand --verbose 'Show what became of every credential, and the number of requests'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'pulldoctor;explain'= {
            cand -o 'human or json'
            cand --output 'human or json'
            cand --color 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured'
            cand -v 'Show whole messages'
            cand --verbose 'Show whole messages'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'pulldoctor;demo'= {
            cand -o 'human, json, yaml, or ndjson (one JSON object a line)'
            cand --output 'human, json, yaml, or ndjson (one JSON object a line)'
            cand --color 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured'
            cand --list 'List the cases'
            cand --all 'Show all cases'
            cand -v 'Show whole messages, every pod and every workload'
            cand --verbose 'Show whole messages, every pod and every workload'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'pulldoctor;completions'= {
            cand --color 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'pulldoctor;__complete'= {
            cand --color 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'pulldoctor;help'= {
            cand diagnose 'Find every pod that waits for an image, and say why'
            cand probe 'Ask the registry for an image, stage by stage, with the credentials of your choice'
            cand isolate 'Tell an image''s fault from a node''s: pull the image elsewhere, and good images where it fails'
            cand explain 'Explain a cause, or read a pasted error message'
            cand demo 'Replay recorded cases, and probe registries with a fault, without a cluster'
            cand completions 'Print the completions of a shell'
            cand __complete 'Complete a command line in the way that kubectl asks its plugins'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'pulldoctor;help;diagnose'= {
        }
        &'pulldoctor;help;probe'= {
        }
        &'pulldoctor;help;isolate'= {
        }
        &'pulldoctor;help;explain'= {
        }
        &'pulldoctor;help;demo'= {
        }
        &'pulldoctor;help;completions'= {
        }
        &'pulldoctor;help;__complete'= {
        }
        &'pulldoctor;help;help'= {
        }
    ]
    $completions[$command]
}
