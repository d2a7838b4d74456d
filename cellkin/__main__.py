from cellkin.main import main

main()
