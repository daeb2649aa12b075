from joulia.cli import main

main()
