import TestSupport

/// The tutorial's first server and its client, verbatim except for the port, which is an argument. They are taken from
/// http://www.cnblogs.com/wupeiqi/articles/5040823.html.
enum TutorialProgram: String {
  case server = #"""
    #!/usr/bin/env python
    # -*- coding:utf-8 -*-
    import sys
    import socket
    import select
    ip_port = ('127.0.0.1',int(sys.argv[1]))

    sk = socket.socket(socket.AF_INET,socket.SOCK_STREAM) #创建socket对象
    sk.bind(ip_port)    #绑定ip、端口
    sk.listen(5)    #监听
    sk.setblocking(False)   #不阻塞

    inputs = [sk,]
    outputs = []
    while True:
        rlist,wlist,eList = select.select(inputs,outputs,[],0.5)
        print("inputs:",inputs) #查看inputs列表变化
        print("rlist:",rlist) #查看rlist列表变化
        for r in rlist:
            if r == sk: #如果r是服务端
                conn,address = r.accept()#
                inputs.append(conn)
                print (address)
            else:
                client_data = r.recv(1024)
                if client_data: #如果有数据，返回数据
                    r.sendall(client_data)
                else:           #否则移除
                    inputs.remove(r)
    """#
  case client = #"""
    #!/usr/bin/env python
    # -*- coding:utf-8 -*-
    import sys
    import socket
    ip_port = ('127.0.0.1',int(sys.argv[1]))

    sk = socket.socket()    #创建socket对象
    sk.connect(ip_port) #通过ip和端口连接server端
    while True:
        inpu=input(">>:")
        sk.sendall(bytes(inpu,"utf8"))  #给server端发送信息

        server_reply = sk.recv(1024)    #接受消息
        print (str(server_reply,"utf8"))    #打印消息

    sk.close()  #关闭连接
    """#

  static let canRun = Executable.installed("python3") != nil

  /// Starts the program with unbuffered output.
  func run(port: String) throws -> ChildProcess {
    try ChildProcess(
      "python3", ["-c", rawValue, port], environment: ["PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"])
  }
}
