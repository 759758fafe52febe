
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'pulldoctor' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'pulldoctor'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'pulldoctor' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('diagnose', 'diagnose', [CompletionResultType]::ParameterValue, 'Find every pod that waits for an image, and say why')
            [CompletionResult]::new('probe', 'probe', [CompletionResultType]::ParameterValue, 'Ask the registry for an image, stage by stage, with the credentials of your choice')
            [CompletionResult]::new('isolate', 'isolate', [CompletionResultType]::ParameterValue, 'Tell an image''s fault from a node''s: pull the image elsewhere, and good images where it fails')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Explain a cause, or read a pasted error message')
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Replay recorded cases, and probe registries with a fault, without a cluster')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions of a shell')
            [CompletionResult]::new('__complete', '__complete', [CompletionResultType]::ParameterValue, 'Complete a command line in the way that kubectl asks its plugins')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'pulldoctor;diagnose' {
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'The namespace; the context''s own where none is given')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'The namespace; the context''s own where none is given')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Only pods with these labels, `app=api,tier!=test` for instance')
            [CompletionResult]::new('--selector', '--selector', [CompletionResultType]::ParameterName, 'Only pods with these labels, `app=api,tier!=test` for instance')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'The kubeconfig context')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'The kubeconfig file; KUBECONFIG where none is given')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'The user to impersonate in the cluster')
            [CompletionResult]::new('--as-group', '--as-group', [CompletionResultType]::ParameterName, 'A group to impersonate; may be given several times')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'How long one request to the cluster may take: `30s`, `2m`; 0 for no limit')
            [CompletionResult]::new('--probe-timeout', '--probe-timeout', [CompletionResultType]::ParameterName, 'How long one question to a registry may take, three times that where layers are read: `30s`, `2m`')
            [CompletionResult]::new('--max-probes', '--max-probes', [CompletionResultType]::ParameterName, 'How many images are asked for at most')
            [CompletionResult]::new('--allow-realm', '--allow-realm', [CompletionResultType]::ParameterName, 'A token service on another domain than the registry''s that may get credentials; may be given several times')
            [CompletionResult]::new('--ca-file', '--ca-file', [CompletionResultType]::ParameterName, 'A file with certificate authorities (PEM) that registries are trusted by, beside those of the system, or of SSL_CERT_FILE and SSL_CERT_DIR; may be given several times')
            [CompletionResult]::new('--probe-namespace', '--probe-namespace', [CompletionResultType]::ParameterName, 'The namespace for the pods that look from nodes; the first that admits the host''s network where none is given')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'human, json, yaml, or ndjson (one JSON object a line)')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'human, json, yaml, or ndjson (one JSON object a line)')
            [CompletionResult]::new('--record', '--record', [CompletionResultType]::ParameterName, 'Write all that was seen to a file, to be replayed with `--bundle`; it holds no secret')
            [CompletionResult]::new('--bundle', '--bundle', [CompletionResultType]::ParameterName, 'Judge what was recorded instead of a cluster: a file of `--record`, or the output of `kubectl get … -o yaml|json` as a file, a folder of such files, or `-` for standard input; no registry is asked')
            [CompletionResult]::new('--runtime-log', '--runtime-log', [CompletionResultType]::ParameterName, 'A log of a node''s kubelet or runtime to look for the waiting images in, as journalctl or the program itself writes it, or `-` for standard input; `NODE=FILE` where its lines do not name their computer; may be given several times')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'All namespaces')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'All namespaces')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Ask no registry')
            [CompletionResult]::new('--node-view', '--node-view', [CompletionResultType]::ParameterName, 'Ask the nodes themselves what decides: creates pods from images that are there already, for about two seconds each, and lets the kubelet try pulls')
            [CompletionResult]::new('--explain-access', '--explain-access', [CompletionResultType]::ParameterName, 'Show what would be created for it and which rights that needs; create nothing')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show whole messages, every pod and every workload')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show whole messages, every pod and every workload')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'pulldoctor;probe' {
            [CompletionResult]::new('--credentials', '--credentials', [CompletionResultType]::ParameterName, 'Whose logins are tried: pod/NAME, sa/NAME or secret/NAME (pull secrets of the cluster, as the kubelet takes them), user (what docker and podman find on this machine), or anonymous')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'The namespace of the pod, service account or secret; the context''s own where none is given')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'The namespace of the pod, service account or secret; the context''s own where none is given')
            [CompletionResult]::new('--platform', '--platform', [CompletionResultType]::ParameterName, 'The platform to look for; that of the pod''s node, or this machine''s architecture on Linux, where none is given')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'here, node/NAME (as the node sees it, also where it can pull nothing) or namespace/NAME (as its pods see it, under its network policies); the last two create a pod that lives for about two seconds, from an image that is on the node, and that holds no credential')
            [CompletionResult]::new('--probe-namespace', '--probe-namespace', [CompletionResultType]::ParameterName, 'The namespace for a pod that looks from a node; the first that admits the host''s network where none is given')
            [CompletionResult]::new('--probe-timeout', '--probe-timeout', [CompletionResultType]::ParameterName, 'How long it may take: `30s`, `2m`; a minute where nothing is said, and as long as it takes where layers are read')
            [CompletionResult]::new('--allow-realm', '--allow-realm', [CompletionResultType]::ParameterName, 'A token service on another domain than the registry''s that may get credentials; may be given several times')
            [CompletionResult]::new('--ca-file', '--ca-file', [CompletionResultType]::ParameterName, 'A file with certificate authorities (PEM) that registries are trusted by, beside those of the system, or of SSL_CERT_FILE and SSL_CERT_DIR; may be given several times')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'The kubeconfig context')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'The kubeconfig file; KUBECONFIG where none is given')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'The user to impersonate in the cluster')
            [CompletionResult]::new('--as-group', '--as-group', [CompletionResultType]::ParameterName, 'A group to impersonate; may be given several times')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'How long one request to the cluster may take: `30s`, `2m`; 0 for no limit')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'human, json or yaml')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'human, json or yaml')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured')
            [CompletionResult]::new('--verify-layers', '--verify-layers', [CompletionResultType]::ParameterName, 'Read all layers and verify them: digest, size, compression, archive and diff ID')
            [CompletionResult]::new('--explain-access', '--explain-access', [CompletionResultType]::ParameterName, 'Show what would be created for it and which rights that needs; create nothing')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show what became of every credential, and the number of requests')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what became of every credential, and the number of requests')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'pulldoctor;isolate' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'A node to look at, without a pod')
            [CompletionResult]::new('--known-good', '--known-good', [CompletionResultType]::ParameterName, 'An image that is known to be good, to be pulled on the node; chosen from what the cluster runs where none is given')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'The namespace; the context''s own where none is given')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'The namespace; the context''s own where none is given')
            [CompletionResult]::new('--probe-namespace', '--probe-namespace', [CompletionResultType]::ParameterName, 'The namespace for the pods that look from nodes; the first that admits the host''s network where none is given')
            [CompletionResult]::new('--allow-realm', '--allow-realm', [CompletionResultType]::ParameterName, 'A token service on another domain than the registry''s that may get credentials; may be given several times')
            [CompletionResult]::new('--ca-file', '--ca-file', [CompletionResultType]::ParameterName, 'A file with certificate authorities (PEM) that registries are trusted by, beside those of the system, or of SSL_CERT_FILE and SSL_CERT_DIR; may be given several times')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'The kubeconfig context')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'The kubeconfig file; KUBECONFIG where none is given')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'The user to impersonate in the cluster')
            [CompletionResult]::new('--as-group', '--as-group', [CompletionResultType]::ParameterName, 'A group to impersonate; may be given several times')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'How long one request to the cluster may take: `30s`, `2m`; 0 for no limit')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'human, json or yaml')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'human, json or yaml')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured')
            [CompletionResult]::new('--explain-access', '--explain-access', [CompletionResultType]::ParameterName, 'Show what would be created for it and which rights that needs; create nothing')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show what became of every credential, and the number of requests')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what became of every credential, and the number of requests')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'pulldoctor;explain' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'human or json')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'human or json')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show whole messages')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show whole messages')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'pulldoctor;demo' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'human, json, yaml, or ndjson (one JSON object a line)')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'human, json, yaml, or ndjson (one JSON object a line)')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'List the cases')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Show all cases')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show whole messages, every pod and every workload')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show whole messages, every pod and every workload')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'pulldoctor;completions' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'pulldoctor;__complete' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'pulldoctor;help' {
            [CompletionResult]::new('diagnose', 'diagnose', [CompletionResultType]::ParameterValue, 'Find every pod that waits for an image, and say why')
            [CompletionResult]::new('probe', 'probe', [CompletionResultType]::ParameterValue, 'Ask the registry for an image, stage by stage, with the credentials of your choice')
            [CompletionResult]::new('isolate', 'isolate', [CompletionResultType]::ParameterValue, 'Tell an image''s fault from a node''s: pull the image elsewhere, and good images where it fails')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Explain a cause, or read a pasted error message')
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Replay recorded cases, and probe registries with a fault, without a cluster')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions of a shell')
            [CompletionResult]::new('__complete', '__complete', [CompletionResultType]::ParameterValue, 'Complete a command line in the way that kubectl asks its plugins')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'pulldoctor;help;diagnose' {
            break
        }
        'pulldoctor;help;probe' {
            break
        }
        'pulldoctor;help;isolate' {
            break
        }
        'pulldoctor;help;explain' {
            break
        }
        'pulldoctor;help;demo' {
            break
        }
        'pulldoctor;help;completions' {
            break
        }
        'pulldoctor;help;__complete' {
            break
        }
        'pulldoctor;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
